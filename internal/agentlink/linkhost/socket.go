package linkhost

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
)

// makeDir makes the directory for sockets, empty. Each is in a directory of its own, which anybody may
// enter who can enter this one: only the node's user. What it holds was left by an earlier process.
func makeDir(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "nex-")
		if err != nil {
			return "", fmt.Errorf("make directory for the sockets of agents: %w", err)
		}
		return made, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("remove the sockets of an earlier process: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make directory for the sockets of agents: %w", err)
	}
	return dir, nil
}

// maxSocketConnections bounds the connections of one agent by its socket.
const maxSocketConnections = 8

// socket is where one agent connects, besides by TCP.
type socket struct {
	dir      string
	token    string
	listener *net.UnixListener
	serve    func(purpose byte, conn net.Conn)

	closing chan struct{} // closed by close
	served  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// listenSocket makes the directory and the socket; serve is called with each connection whose token is
// right, in a goroutine of its own, and closes it.
func listenSocket(dir string, serve func(purpose byte, conn net.Conn)) (_ *socket, err error) {
	s := &socket{dir: dir, token: rand.Text(), serve: serve, closing: make(chan struct{}), conns: make(map[net.Conn]bool)}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if s.listener, err = agentlink.ListenSocket(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// In a sandbox the agent may be another user than the node is.
	if err = errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Join(dir, agentlink.SocketName), 0o666)); err != nil {
		s.listener.Close()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.served.Go(s.accept)
	return s, nil
}

func (s *socket) accept() {
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // of one connection, or for want of file descriptors
			if !s.pause() {
				return
			}
			continue
		}
		if !s.enter(conn) {
			conn.Close()
			continue
		}
		s.served.Go(func() {
			defer s.leave(conn)
			s.greet(conn)
		})
	}
}

// acceptAgain is how long nothing is accepted after that has failed.
const acceptAgain = 100 * time.Millisecond

// pause waits before something is accepted again; it reports false if the socket is being closed.
func (s *socket) pause() bool {
	timer := time.NewTimer(acceptAgain)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closing:
		return false
	}
}

// greet finds out what a connection is for.
func (s *socket) greet(conn net.Conn) {
	purpose, token, err := agentlink.AcceptHello(conn)
	if err != nil || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 0 {
		conn.Close()
		return
	}
	s.serve(purpose, conn)
}

// enter reports false if there are too many connections.
func (s *socket) enter(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxSocketConnections {
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *socket) leave(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// close ends all connections and removes the directory.
func (s *socket) close() error {
	s.mu.Lock()
	s.closed = true
	close(s.closing)
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.listener.Close()
	s.served.Wait()
	return os.RemoveAll(s.dir)
}

// relay carries bytes between two connections until one of them ends, and closes both.
func relay(a, b net.Conn) {
	var group sync.WaitGroup
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // how it ends is for those who speak to see
		to.Close()
		from.Close()
	}
	group.Go(func() { one(a, b) })
	one(b, a)
	group.Wait()
}
