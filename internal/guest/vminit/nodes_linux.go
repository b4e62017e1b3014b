package vminit

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/nex-engine/nex/internal/guest"
)

// nodes are the sessions with the node, one after the other.
type nodes struct {
	vm  guest.VM
	dev string // where devices are

	mu      sync.Mutex
	current *guest.Node // nil while the node is away
}

func (n *nodes) node() *guest.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

// serve serves a session that begins on conn, until it has ended. A later one ends an earlier one.
func (n *nodes) serve(conn io.ReadWriteCloser) {
	node, err := guest.Accept(conn, n.vm)
	if err != nil {
		return // the node has gone before it was there
	}
	n.mu.Lock()
	before := n.current
	n.current = node
	n.mu.Unlock()
	if before != nil {
		_ = before.Close() // it never fails
	}
	<-node.Done()
	n.mu.Lock()
	if n.current == node {
		n.current = nil
	}
	n.mu.Unlock()
}

// ended tells the node that the agent has ended, if there is one.
func (n *nodes) ended(ctx context.Context, e guest.Exit) {
	if node := n.node(); node != nil {
		_ = node.Ended(ctx, e) // the console has it too
	}
}

// listenLinks makes the socket of the agent's link in a directory, which is the user's, and serves it.
func (n *nodes) listenLinks(dir string, user int) error {
	path := filepath.Join(dir, socketName)
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen for the agent: %w", err)
	}
	if err := os.Chown(path, user, user); err != nil {
		return fmt.Errorf("listen for the agent: %w", err)
	}
	go func() { // as long as the VM runs
		for {
			conn, err := l.Accept()
			if err != nil {
				say("the agent cannot connect any more: " + err.Error())
				return
			}
			node := n.node()
			if node == nil {
				conn.Close()
				continue
			}
			go node.Link(conn) // ends with the connection, or the session
		}
	}()
	return nil
}

// listen lets the node call, by the ways that the VM has.
func (n *nodes) listen() {
	if err := n.listenVsock(); err != nil {
		say("no vsock: " + err.Error())
	}
	if err := n.listenPort(); err != nil {
		say(err.Error())
	}
}
