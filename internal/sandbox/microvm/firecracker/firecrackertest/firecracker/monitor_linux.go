package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// monitor controls QEMU. Its commands come one after the other.
type monitor struct {
	conn   *net.UnixConn
	gone   chan error // how QEMU has ended
	onPort func(open bool)

	answers  chan message
	migrated chan string // how a migration has ended
	mu       sync.Mutex
	orderly  bool // the guest has ended the machine
}

// message is what QEMU says.
type message struct {
	Return json.RawMessage
	Error  *struct{ Desc string }
	Event  string
	Data   struct {
		ID, Status string
		Open       bool
		Guest      bool
	}
}

// openMonitor speaks to QEMU, and reads what it says until it ends.
func openMonitor(conn net.Conn) (*monitor, error) {
	m := &monitor{
		conn: conn.(*net.UnixConn), gone: make(chan error, 1), onPort: func(bool) {},
		answers: make(chan message), migrated: make(chan string, 16),
	}
	in := bufio.NewReader(conn)
	if _, err := in.ReadBytes('\n'); err != nil { // its greeting
		return nil, fmt.Errorf("QEMU does not greet: %w", err)
	}
	go m.read(in)
	return m, m.run("qmp_capabilities", nil)
}

func (m *monitor) read(in *bufio.Reader) {
	defer close(m.answers)
	d := json.NewDecoder(in)
	for {
		var got message
		if err := d.Decode(&got); err != nil {
			m.end(err)
			return
		}
		switch got.Event {
		case "":
			m.answers <- got
		case "VSERPORT_CHANGE":
			if got.Data.ID == portID {
				m.onPort(got.Data.Open)
			}
		case "MIGRATION":
			m.migrated <- got.Data.Status
		case "SHUTDOWN":
			m.mu.Lock()
			m.orderly = got.Data.Guest
			m.mu.Unlock()
		}
	}
}

// end says how QEMU has ended.
func (m *monitor) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.orderly:
		m.gone <- nil
	case errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET):
		m.gone <- errCrashed
	default:
		m.gone <- err
	}
}

// run carries out a command.
func (m *monitor) run(name string, arguments any) error { return m.runWithFile(name, arguments, nil) }

// runWithFile gives QEMU a file with the command.
func (m *monitor) runWithFile(name string, arguments any, f *os.File) error {
	b, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{name, arguments})
	if err != nil {
		return err
	}
	var rights []byte
	if f != nil {
		rights = unix.UnixRights(int(f.Fd()))
	}
	if _, _, err := m.conn.WriteMsgUnix(b, rights, nil); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	answer, ok := <-m.answers
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", name, errCrashed)
	case answer.Error != nil:
		return fmt.Errorf("%s: %s", name, answer.Error.Desc)
	}
	return nil
}

// migrate writes the machine to a file, or has it come from there.
func (m *monitor) migrate(command string, f *os.File) error {
	if err := m.runWithFile("getfd", map[string]any{"fdname": "memory"}, f); err != nil {
		return err
	}
	if err := m.run("migrate-set-capabilities", map[string]any{
		"capabilities": []any{map[string]any{"capability": "events", "state": true}},
	}); err != nil {
		return err
	}
	if err := m.run("migrate-set-parameters", map[string]any{"max-bandwidth": int64(1) << 40, "announce-rounds": 0}); err != nil {
		return err
	}
	if err := m.run(command, map[string]any{"uri": "fd:memory"}); err != nil {
		return err
	}
	for {
		select {
		case status := <-m.migrated:
			switch status {
			case "completed":
				return nil
			case "failed", "cancelled":
				return errors.New("it has " + status)
			}
		case err := <-m.gone:
			m.gone <- err
			return errCrashed
		}
	}
}
