package microvm

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// pauses are those between two tries to reach an init: each is longer than the one before by a quarter, and so is the whole
// wait than it has to be, at most.
type pauses struct{ last time.Duration }

const (
	firstPause = 4 * time.Millisecond
	maxPause   = time.Second
)

// wait makes a pause, while ctx lives.
func (p *pauses) wait(ctx context.Context) error {
	p.last = min(max(p.last+p.last/4, firstPause), maxPause)
	timer := time.NewTimer(p.last)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// talk is the session with the init of a machine. Should one be lost while the machine runs, there is another soon.
type talk struct {
	mu      sync.Mutex
	session *guest.Session // nil: there was none yet
	another chan struct{}  // closed, and replaced, when there is another session
	kept    chan struct{}  // closed by keep
}

// reach connects to the init, while ctx and the machine live.
func (i *instance) reach(ctx context.Context) (*guest.Session, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(i.life, func() { cancel(errEnded) })()
	for p := (pauses{}); ; {
		conn, err := i.driver.vmm.Dial(ctx, i.machine)
		if err == nil {
			var s *guest.Session
			if s, err = guest.Connect(ctx, conn, peer{i}); err == nil {
				return s, nil
			}
		}
		// Some machines refuse connections until their init listens; others take them before.
		if p.wait(ctx) != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// keep lets the machine run, if it is to be booted, and sees to it that there is a session until it ends, with the
// one that there is already, if any.
func (i *instance) keep(s *guest.Session, boot bool) {
	defer close(i.talk.kept)
	var err error
	if boot {
		if err = i.driver.vmm.Boot(i.life, i.machine); err != nil {
			i.fail(err)
			return
		}
	}
	for p := (pauses{}); ; {
		if s == nil {
			if s, err = i.reach(i.life); err != nil {
				return // the machine has ended
			}
		}
		began := time.Now()
		i.talk.use(s)
		select {
		case <-s.Done():
		case <-i.life.Done():
		}
		_ = s.Close() // it is over
		if i.life.Err() != nil {
			return
		}
		i.driver.log.Debug("the session with the init of a machine is lost", attrAgent, i.id)
		s = nil
		if time.Since(began) >= maxPause {
			p = pauses{}
		} else if p.wait(i.life) != nil { // or a machine that ends each at once would keep us busy
			return
		}
	}
}

// fail ends a machine that could not be made run.
func (i *instance) fail(err error) {
	i.mu.Lock()
	i.failed = err
	i.mu.Unlock()
	i.kill()
}

func (t *talk) use(s *guest.Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = s
	close(t.another)
	t.another = make(chan struct{})
}

// now is the session, nil if there is none, and what tells of the next one.
func (t *talk) now() (*guest.Session, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != nil {
		select {
		case <-t.session.Done():
		default:
			return t.session, t.another
		}
	}
	return nil, t.another
}

// current is the session, for which it waits while ctx and the machine live.
func (i *instance) current(ctx context.Context) (*guest.Session, error) {
	for {
		s, another := i.talk.now()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case i.life.Err() != nil:
			return nil, errEnded
		case s != nil:
			return s, nil
		}
		select {
		case <-another:
		case <-i.life.Done():
		case <-ctx.Done():
		}
	}
}

// peer is what a session asks of the node.
type peer struct{ *instance }

var errNoLink = errors.New("the sandbox has no link")

// Link implements [guest.Peer].
func (p peer) Link(ctx context.Context) (net.Conn, error) {
	if p.linkDir == "" {
		return nil, errNoLink
	}
	conn, err := vmm.Dial(ctx, p.linkDir, agentlink.SocketName)
	if err != nil {
		return nil, err // and no nil connection in an interface
	}
	return conn, nil
}

// Ended implements [guest.Peer].
func (p peer) Ended(e guest.Exit) { p.agentEnded(e) }
