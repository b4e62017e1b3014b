package guest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/hashicorp/yamux"
)

// ErrSessionOver is the error of what is asked of a session that has ended.
var ErrSessionOver = errors.New("the session with the VM has ended")

// A Session is the node's end of what it says to the init of a VM.
type Session struct {
	mux    *yamux.Session
	peer   Peer
	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	ended  sync.Once // the agent has
	links  chan struct{}
	group  sync.WaitGroup
	done   chan struct{}
}

// Connect begins a session on conn, which it owns from then on, error or not. It waits, while ctx lives, until the
// init of the VM answers; later sessions end earlier ones. The caller closes the session.
func Connect(ctx context.Context, conn net.Conn, p Peer) (*Session, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	r, err := syncNode(conn)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("connect to the init of the VM: %w", unexpected(err))
	}
	return newSession(r, conn, p)
}

func newSession(r *bufio.Reader, conn net.Conn, p Peer) (*Session, error) {
	mux, err := yamux.Client(&wire{r: r, w: conn}, muxConfig())
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to the init of the VM: %w", err)
	}
	s := &Session{mux: mux, peer: p, links: make(chan struct{}, maxLinks), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.run() // ends with the session
	return s, nil
}

// Done is closed when the session has ended, and nothing of it calls the Peer any more.
func (s *Session) Done() <-chan struct{} { return s.done }

// Close ends the session, and returns when Done is closed. The VM goes on, and waits for the next one.
func (s *Session) Close() error {
	err := s.mux.Close()
	<-s.done
	return err
}

// run takes the streams that the init opens.
func (s *Session) run() {
	for s.mux.NumStreams() <= maxStreams {
		stream, err := s.mux.AcceptStream()
		if err != nil {
			break
		}
		select {
		case s.links <- struct{}{}:
			s.group.Go(func() {
				defer func() { <-s.links }()
				s.serve(stream)
			})
		default:
			abort(stream)
		}
	}
	_ = s.mux.Close() // it never fails
	s.cancel()
	s.group.Wait()
	close(s.done)
}

// serve answers what the init asks.
func (s *Session) serve(stream net.Conn) {
	defer abort(stream)
	q, err := readRequest(stream)
	if err != nil {
		return
	}
	switch q.Op {
	case opLink:
		conn, err := s.peer.Link(s.ctx)
		if err != nil {
			return // the agent sees that its connection is closed
		}
		join(stream, conn)
	case opEnded:
		s.ended.Do(func() { s.peer.Ended(*q.Exit) })
		_ = writeMessage(stream, reply{}) // on a session that is over nobody waits for it
	}
}

// Boot tells the VM what it needs to begin. It may be called once in the VM's life, by whatever session, and
// returns when the agent has its bootstrap document.
func (s *Session) Boot(ctx context.Context, b Boot) error {
	err := b.check()
	if err == nil {
		_, err = s.ask(ctx, request{Op: opBoot, Boot: &b}, nil)
	}
	if err != nil {
		return fmt.Errorf("boot the VM of sandbox %s: %w", b.ID, err)
	}
	return nil
}

// State says what has happened in the VM, in this session and earlier ones.
func (s *Session) State(ctx context.Context) (State, error) {
	a, err := s.ask(ctx, request{Op: opState}, nil)
	if err == nil && a.State == nil {
		err = errors.New("its answer has none")
	}
	if err != nil {
		return State{}, fmt.Errorf("ask the VM for its state: %w", err)
	}
	return *a.State, nil
}

// Stage makes a file in the VM of the size bytes that r has, and returns its path there. Anybody in the VM may read
// and run it (mode 0555), nobody may change it. It takes space of the VM's disk. It is there in whole, or not at all.
// A name can be staged once.
func (s *Session) Stage(ctx context.Context, name string, size int64, r io.Reader) (path string, err error) {
	f := file{Name: name, Size: size}
	if err := f.check(); err != nil {
		return "", fmt.Errorf("stage in the VM: %w", err)
	}
	a, err := s.ask(ctx, request{Op: opStage, File: &f}, &io.LimitedReader{R: r, N: size})
	if err == nil && a.Path == "" {
		err = errors.New("its answer has no path")
	}
	if err != nil {
		return "", fmt.Errorf("stage %s in the VM: %w", name, err)
	}
	return a.Path, nil
}

// Configure replaces the limits, all of them or none. How many files each process may have open cannot change.
func (s *Session) Configure(ctx context.Context, l Limits) error {
	err := l.check()
	if err == nil {
		_, err = s.ask(ctx, request{Op: opConfigure, Limits: &l}, nil)
	}
	if err != nil {
		return fmt.Errorf("configure the VM: %w", err)
	}
	return nil
}
