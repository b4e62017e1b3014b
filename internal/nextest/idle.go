package nextest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// idleAtOnce is how many connections are made at one time.
	idleAtOnce = 64
	// idleHandshake bounds the handshake of one.
	idleHandshake = 30 * time.Second
	// idleBuffer takes most of what a server says in one piece.
	idleBuffer = 512
)

// Idle are client connections to a NATS server that subscribe to nothing and publish nothing: they are there,
// and answer the server's pings. They cost this process little.
type Idle struct {
	conns []*idleConn
	group sync.WaitGroup
	lost  atomic.Int64
}

type idleConn struct {
	net.Conn
	r *bufio.Reader
}

// ConnectIdle makes n connections with dial, to a server that wants neither credentials nor TLS. The caller
// closes them.
func ConnectIdle(n int, dial func() (net.Conn, error)) (*Idle, error) {
	i := &Idle{conns: make([]*idleConn, n)}
	var making errgroup.Group
	making.SetLimit(idleAtOnce)
	for k := range i.conns {
		making.Go(func() error {
			conn, err := dial()
			if err != nil {
				return err
			}
			i.conns[k] = &idleConn{conn, bufio.NewReaderSize(conn, idleBuffer)}
			return i.conns[k].greet()
		})
	}
	if err := making.Wait(); err != nil {
		i.Close()
		return nil, fmt.Errorf("make %d idle connections: %w", n, err)
	}
	for _, conn := range i.conns {
		i.group.Go(func() {
			if err := conn.answerPings(); !errors.Is(err, net.ErrClosed) {
				i.lost.Add(1)
			}
		})
	}
	return i, nil
}

// Alive is how many the server has not closed.
func (i *Idle) Alive() int { return len(i.conns) - int(i.lost.Load()) }

// Close closes them and returns when nothing is left of them.
func (i *Idle) Close() {
	for _, conn := range i.conns {
		if conn != nil {
			_ = conn.Close() // it may be closed already
		}
	}
	i.group.Wait()
}

// greet does the handshake: the server has accepted the client when it answers the ping.
func (c *idleConn) greet() error {
	if err := c.SetDeadline(time.Now().Add(idleHandshake)); err != nil {
		return err
	}
	if err := c.expect("INFO "); err != nil {
		return err
	}
	if _, err := io.WriteString(c, `CONNECT {"verbose":false,"pedantic":false,"lang":"go","version":"1","name":"idle"}`+"\r\nPING\r\n"); err != nil {
		return err
	}
	if err := c.expect("PONG"); err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}

// expect reads a line that begins so.
func (c *idleConn) expect(begin string) error {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, begin) {
		return fmt.Errorf("the server says %.80q instead of %s", line, begin)
	}
	return nil
}

// answerPings answers until the connection is closed. Nothing else is expected: what the server says besides,
// such as its news of other servers, is passed over.
func (c *idleConn) answerPings() error {
	for {
		line, err := c.r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return err
		case string(line) == "PING\r\n":
			if _, err := io.WriteString(c, "PONG\r\n"); err != nil {
				return err
			}
		}
	}
}
