package linkhost

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
)

// lateBy is how much longer than the call's own time the node waits for an agent, whose part it is to
// end the call in time.
const lateBy = 2 * function.StopWithin

// calls are the calls of a function that are under way. It is safe for concurrent use.
type calls struct {
	mu      sync.Mutex
	pending map[uint64]*call
	last    uint64            // number of the last call
	over    *agentlink.Answer // what calls get once the link is closed
	late    func()            // called when the agent has not answered in time
}

// call is one of them. Whoever takes it out of calls.pending calls done.
type call struct {
	done  func(agentlink.Answer)
	timer *time.Timer
}

// Call makes the agent run its function and does not wait. It calls done once, from another goroutine
// or before it returns: with the agent's answer, when the agent is too late, or when the link is
// closed. What done is given is its own; it must not block.
func (l *Link) Call(t agentlink.Trigger, done func(agentlink.Answer)) {
	number, only, refused := l.calls.add(t.Timeout+lateBy, done)
	if refused != nil {
		done(*refused)
		return
	}
	t.Number = number
	err := agentlink.ErrStreamClosed
	if s := l.stream.Load(); s != nil {
		err = s.SendTrigger(t, only)
	}
	switch {
	case errors.Is(err, agentlink.ErrFrameTooLarge):
		l.calls.settle(number, agentlink.Answer{Status: function.StatusTooLarge, Message: "the payload and headers of the call are larger than a function takes"})
	case err != nil:
		l.calls.settle(number, l.gone())
	}
}

// answered takes an answer.
func (l *Link) answered(body []byte) {
	a, err := agentlink.ParseAnswer(body)
	if err != nil {
		a.Status, a.Message = function.StatusFailed, "the function's agent answered what cannot be read"
	}
	a.Message = clip(a.Message, maxReason)
	l.calls.settle(a.Number, a)
}

// suspect finds out whether an agent that was late is there at all, and gives the link up if it is not:
// its part is to end calls in time.
func (l *Link) suspect() {
	if !l.suspected.CompareAndSwap(false, true) {
		return // it is being asked
	}
	ctx, cancel := context.WithTimeout(l.ctx, suspectTimeout)
	defer cancel()
	if l.Ping(ctx) != nil && l.ctx.Err() == nil {
		l.host.cfg.Logger.Warn("an agent does not answer and is given up", "agent", l.id)
		l.nc.Close()
	}
	l.suspected.Store(false)
}

// suspectTimeout is how long an agent may take to answer a ping that has missed the deadline of a call.
const suspectTimeout = 2 * time.Second

// gone is what calls are answered that the agent will not answer.
func (l *Link) gone() agentlink.Answer {
	return agentlink.Answer{Status: function.StatusFailed, Message: "the function's agent ended before it had answered"}
}

// Abandon answers all calls that are under way, and later ones, with a: the agent will not.
func (l *Link) Abandon(a agentlink.Answer) { l.calls.abandon(a) }

// add takes a call, or says how it is answered at once.
func (c *calls) add(timeout time.Duration, done func(agentlink.Answer)) (number uint64, only bool, refused *agentlink.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		return 0, false, c.over
	}
	c.last++
	number = c.last
	c.pending[number] = &call{done: done, timer: time.AfterFunc(timeout, func() {
		c.settle(number, agentlink.Answer{Status: function.StatusTimeout, Message: "the function did not answer before its deadline"})
		c.late()
	})}
	return number, len(c.pending) == 1, nil
}

// settle ends a call, unless it has ended.
func (c *calls) settle(number uint64, a agentlink.Answer) {
	c.mu.Lock()
	p := c.pending[number]
	delete(c.pending, number)
	c.mu.Unlock()
	if p != nil {
		p.timer.Stop()
		p.done(a)
	}
}

// abandon ends all calls, and later ones.
func (c *calls) abandon(a agentlink.Answer) {
	c.mu.Lock()
	if c.over == nil {
		c.over = &a
	}
	all := c.pending
	c.pending = make(map[uint64]*call)
	c.mu.Unlock()
	for _, p := range all {
		p.timer.Stop()
		p.done(a)
	}
}
