package guest

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/hashicorp/yamux"
)

// A Node is the init's end of what a node says to it.
type Node struct {
	mux   *yamux.Session
	vm    VM
	group sync.WaitGroup
	done  chan struct{}
}

// Accept begins a session on conn, which it owns from then on, error or not: it waits until a node begins one, or
// conn is closed. An earlier session must have been closed before. The caller closes the session.
func Accept(conn io.ReadWriteCloser, vm VM) (*Node, error) {
	r, err := syncInit(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("wait for the node: %w", err)
	}
	mux, err := yamux.Server(&wire{r: r, w: conn}, muxConfig())
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("wait for the node: %w", err)
	}
	n := &Node{mux: mux, vm: vm, done: make(chan struct{})}
	go n.run() // ends with the session
	return n, nil
}

// Done is closed when the session has ended, and nothing of it calls the VM any more.
func (n *Node) Done() <-chan struct{} { return n.done }

// Close ends the session, and returns when Done is closed.
func (n *Node) Close() error {
	err := n.mux.Close()
	<-n.done
	return err
}

func (n *Node) run() {
	for {
		stream, err := n.mux.AcceptStream()
		if err != nil {
			break
		}
		n.group.Go(func() { n.serve(stream) })
	}
	_ = n.mux.Close() // it never fails
	n.group.Wait()
	close(n.done)
}

// Link connects the agent's conn to the node, and returns when either has ended. It closes conn in any case.
func (n *Node) Link(conn net.Conn) {
	stream, err := n.mux.OpenStream()
	if err != nil {
		conn.Close()
		return
	}
	if err := writeMessage(stream, request{Op: opLink}); err != nil {
		abort(stream)
		conn.Close()
		return
	}
	join(stream, conn)
}

// Ended tells the node that the agent has ended. It returns when the node knows.
func (n *Node) Ended(ctx context.Context, e Exit) error {
	stream, err := n.mux.OpenStream()
	if err != nil {
		return ErrSessionOver
	}
	defer abort(stream)
	defer while(ctx, stream)()
	if err := writeMessage(stream, request{Op: opEnded, Exit: &e}); err != nil {
		return err
	}
	_, err = readAnswer(stream)
	return err
}

// serve does what the node asks.
func (n *Node) serve(stream net.Conn) {
	defer abort(stream)
	q, err := readRequest(stream)
	var a reply
	if err == nil {
		a, err = n.answer(q, stream)
	}
	if err != nil {
		text := err.Error()
		a = reply{Error: text[:min(len(text), maxError)]}
	}
	_ = writeMessage(stream, a) // a node that is away does not wait for it
}

func (n *Node) answer(q request, stream io.Reader) (reply, error) {
	switch q.Op {
	case opBoot:
		return reply{}, n.vm.Boot(*q.Boot)
	case opState:
		s := n.vm.State()
		return reply{State: &s}, nil
	case opStage:
		path, err := n.vm.Stage(q.File.Name, q.File.Size, &body{stream, q.File.Size})
		return reply{Path: path}, err
	case opConfigure:
		return reply{}, n.vm.Configure(*q.Limits)
	}
	return reply{}, fmt.Errorf("a VM cannot be asked for %s", q.Op)
}

// body reads so many bytes, and fails if there are fewer.
type body struct {
	r    io.Reader
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if b.left == 0 {
		return n, nil
	}
	return n, unexpected(err)
}
