package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// maxPassed bounds the events that are kept for await: there are a handful.
const maxPassed = 100

// errGone is for a process that ends, or has, while it is spoken to.
var errGone = errors.New("QEMU has ended")

// monitor is a connection to a machine's control socket, of which there is one at a time. It is for one goroutine.
type monitor struct {
	conn *net.UnixConn
	in   *bufio.Scanner
	last uint64 // id of a command
	stop func() bool
	// passed are events that came while an answer was awaited, for await.
	passed []message
}

// openMonitor connects to the machine. When ctx ends, what is under way fails. The caller closes the monitor.
func openMonitor(ctx context.Context, dir string) (*monitor, error) {
	conn, err := vmm.Dial(ctx, dir, monitorSocket)
	if err != nil {
		return nil, err
	}
	m := &monitor{conn: conn, in: bufio.NewScanner(conn)}
	m.in.Buffer(nil, maxMessage)
	m.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	if err = m.greet(ctx); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *monitor) close() {
	m.stop()
	_ = m.conn.Close() // nothing is under way
}

// greet brings the connection to where it takes commands.
func (m *monitor) greet(ctx context.Context) error {
	first, err := m.next(ctx)
	if err == nil && first.Greeting == nil {
		err = errNoMessage
	}
	if err != nil {
		return fmt.Errorf("await the greeting of QEMU: %w", err)
	}
	return m.run(ctx, "qmp_capabilities", nil)
}

// next is QEMU's next message.
func (m *monitor) next(ctx context.Context) (message, error) {
	if !m.in.Scan() {
		switch {
		case ctx.Err() != nil:
			return message{}, context.Cause(ctx)
		case m.in.Err() != nil:
			return message{}, m.in.Err()
		}
		return message{}, errGone
	}
	return parseMessage(m.in.Bytes())
}

// command is what QEMU is told.
type command struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
	ID        uint64 `json:"id"`
}

// run carries out a command and waits until it is done.
func (m *monitor) run(ctx context.Context, name string, arguments any) error {
	return m.runWithFile(ctx, name, arguments, -1)
}

// runWithFile is run for a command that goes with an open file; -1 is none.
func (m *monitor) runWithFile(ctx context.Context, name string, arguments any, fd int) error {
	m.last++
	b, err := json.Marshal(command{name, arguments, m.last})
	if err == nil {
		err = m.write(b, fd)
	}
	for err == nil {
		var answer message
		switch answer, err = m.next(ctx); {
		case err != nil:
		case answer.Event != "" && len(m.passed) < maxPassed:
			m.passed = append(m.passed, answer)
		case answer.ID != nil && *answer.ID == m.last:
			if err = answer.failure(); err == nil {
				return nil
			}
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("QEMU: %s: %w", name, err)
}

func (m *monitor) write(b []byte, fd int) error {
	if fd < 0 {
		_, err := m.conn.Write(b)
		return err
	}
	_, _, err := m.conn.WriteMsgUnix(b, unix.UnixRights(fd), nil)
	return err
}

// await waits for an event of this name about which is says that it is the one, or fails.
func (m *monitor) await(ctx context.Context, event string, is func(data json.RawMessage) (bool, error)) error {
	for {
		got, err := m.nextEvent(ctx)
		if err != nil {
			return fmt.Errorf("await what QEMU does: %w", err)
		}
		if got.Event != event {
			continue
		}
		if done, err := is(got.Data); done || err != nil {
			return err
		}
	}
}

func (m *monitor) nextEvent(ctx context.Context) (message, error) {
	if len(m.passed) == 0 {
		return m.next(ctx)
	}
	first := m.passed[0]
	m.passed = m.passed[1:]
	return first, nil
}
