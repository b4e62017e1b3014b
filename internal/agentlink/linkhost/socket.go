package linkhost

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
)

// makeDir makes the directory for sockets, unless it is there. Each is in a directory of its own, which
// anybody may enter who can enter this one: only the node's user.
func makeDir(dir string) (string, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "nex-")
		if err != nil {
			return "", fmt.Errorf("make directory for the sockets of agents: %w", err)
		}
		return made, nil
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = checkDir(dir)
	}
	if err == nil {
		err = os.Chmod(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("make directory for the sockets of agents: %w", err)
	}
	return dir, nil
}

// checkDir fails unless there is a directory, and no link to one.
func checkDir(path string) error {
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory", path)
	}
	return err
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
	waker  io.Closer // nil once the agent has opened the FIFO
	conns  map[net.Conn]bool
	closed bool
}

// listenSocket makes the directory with the FIFO, or uses the one that is there, and the socket; serve is called
// with each connection whose token is right, in a goroutine of its own, and closes it.
func listenSocket(dir, token string, there bool, serve func(purpose byte, conn net.Conn)) (*socket, error) {
	s := &socket{dir: dir, token: token, serve: serve, closing: make(chan struct{}), conns: make(map[net.Conn]bool)}
	if there {
		if err := s.listenAgain(); err != nil {
			return nil, err // what is there remains for Sweep
		}
	} else {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		var err error
		if s.waker, err = agentlink.MakeWaker(dir); err == nil {
			err = s.listen()
		}
		if err != nil {
			s.closeWaker()
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	s.served.Go(s.accept)
	return s, nil
}

// listenAgain makes the socket in place of that of an earlier process.
func (s *socket) listenAgain() error {
	if err := checkDir(s.dir); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(s.dir, agentlink.SocketName)); err != nil {
		return err
	}
	return s.listen()
}

// listen makes the socket.
func (s *socket) listen() (err error) {
	if s.listener, err = agentlink.ListenSocket(s.dir); err != nil {
		return err
	}
	// In a sandbox the agent may be another user than the node is.
	if err = errors.Join(os.Chmod(s.dir, 0o755), os.Chmod(filepath.Join(s.dir, agentlink.SocketName), 0o666)); err != nil {
		s.listener.Close()
	}
	return err
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
	purpose, err := agentlink.AcceptHello(conn, s.token)
	if err != nil {
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

// closeWaker is called when the agent has opened the FIFO.
func (s *socket) closeWaker() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waker != nil {
		s.waker.Close()
		s.waker = nil
	}
}

// close ends all connections. It leaves the directory.
func (s *socket) close() {
	s.closeWaker()
	s.mu.Lock()
	s.closed = true
	close(s.closing)
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.listener.Close()
	s.served.Wait()
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
