package agentlink

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

// calls are the agent's end of the stream of calls.
type calls struct {
	stream *Stream
	synced chan struct{} // has a token when the node has taken all answers
	ended  chan struct{} // closed when no more calls come
	// underway are the calls that are not answered.
	underway atomic.Int64
}

func (c *Conn) opened() *calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// OpenCalls lets the node call h, unless it can already. A Deploy of a function does so by itself.
func (c *Conn) OpenCalls(h Handler) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls != nil {
		return nil
	}
	stream, err := connectCalls(c.bootstrap)
	if err != nil {
		return err
	}
	c.calls = &calls{stream: stream, synced: make(chan struct{}, 1), ended: make(chan struct{})}
	go c.calls.receive(h) // ends with close, or with the node
	return nil
}

// receive hands calls to h, without a goroutine for each.
func (c *calls) receive(h Handler) {
	defer close(c.ended)
	_ = c.stream.Receive(func(kind Kind, body []byte) {
		switch kind {
		case KindTrigger:
			c.trigger(h, body)
		case KindSync:
			select {
			case c.synced <- struct{}{}:
			default: // nobody has asked
			}
		}
	}) // whatever ended it, the link to the node tells
}

func (c *calls) trigger(h Handler, body []byte) {
	t, err := ParseTrigger(body)
	c.underway.Add(1)
	if err != nil {
		c.answer(t.Number, Answer{Status: function.StatusFailed, Message: err.Error()})
		return
	}
	number := t.Number
	h.Trigger(t, func(a Answer) { c.answer(number, a) })
}

// answer sends the answer to a call. One that cannot be sent has nobody left to read it.
func (c *calls) answer(number uint64, a Answer) {
	a.Number = number
	last := c.underway.Add(-1) == 0
	if errors.Is(c.stream.SendAnswer(a, last), ErrFrameTooLarge) {
		_ = c.stream.SendAnswer(Answer{Number: number, Status: function.StatusTooLarge, Message: "the function's result is larger than can be sent: its headers, or its message, take too much"}, last)
	}
}

// settleTimeout bounds how long a node may take to read the answers.
const settleTimeout = time.Second

// settleCalls returns when the node has taken the answers that were given so far.
func (c *Conn) settleCalls() {
	calls := c.opened()
	if calls == nil || calls.stream.SendSync() != nil {
		return
	}
	timer := time.NewTimer(settleTimeout)
	defer timer.Stop()
	select {
	case <-calls.synced:
	case <-calls.ended:
	case <-timer.C:
	}
}

func (c *calls) close() {
	c.stream.Close()
	<-c.ended
}
