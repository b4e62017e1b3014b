package agentlink_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/agentlink"
)

var token = strings.Repeat("T", agentlink.TokenBytes)

// Both ends know that the other knows the token, and what the connection is for.
func TestHello(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		agent, node string
		want        error // of the agent
	}{
		"both know it":     {token, token, nil},
		"the node does":    {"", token, agentlink.ErrHello},
		"the agent does":   {token, strings.ToLower(token), agentlink.ErrHello},
		"neither has any":  {"", "", nil}, // which connect does not let happen
		"one is the start": {token, token[:10], agentlink.ErrHello},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := sockets(t)
			accepted := make(chan error, 1)
			go func() {
				purpose, err := agentlink.AcceptHello(b, tt.node)
				if err == nil && purpose != agentlink.PurposeCalls {
					err = errors.New("it is for something else")
				}
				accepted <- err
			}()
			if err := agentlink.SayHello(a, agentlink.PurposeCalls, tt.agent); !errors.Is(err, tt.want) {
				t.Errorf("SayHello = %v, want %v", err, tt.want)
			}
			a.Close()
			if err := <-accepted; (err == nil) != (tt.want == nil) {
				t.Errorf("AcceptHello = %v", err)
			}
		})
	}
}

// recorded keeps what was read of a connection.
type recorded struct {
	net.Conn
	said *bytes.Buffer
}

func (r recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.said.Write(b[:n])
	return n, err
}

// Who sends back what an agent has said, or what a node has said before, proves nothing.
func TestHelloIsNotRepeated(t *testing.T) {
	t.Parallel()
	// What a node has said to an agent.
	a, b := sockets(t)
	var said bytes.Buffer
	go func() { _, _ = agentlink.AcceptHello(b, token) }()
	if err := agentlink.SayHello(recorded{a, &said}, agentlink.PurposeNATS, token); err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string][]byte{"the node's": said.Bytes(), "zeroes": make([]byte, 48)} {
		a, b := sockets(t)
		go func() { _, _ = b.Write(answer) }()
		if err := agentlink.SayHello(a, agentlink.PurposeNATS, token); !errors.Is(err, agentlink.ErrHello) {
			t.Errorf("%s: SayHello = %v, want %v", name, err, agentlink.ErrHello)
		}
		b.Close()
	}
	// The agent's own proof is no node's.
	a, b = sockets(t)
	go func() {
		var hello [17]byte
		_, _ = io.ReadFull(b, hello[:])
		_, _ = b.Write(append(hello[1:], hello[1:]...))
		b.Close()
	}()
	if err := agentlink.SayHello(a, agentlink.PurposeNATS, token); err == nil {
		t.Error("what the agent has said is taken for the node's")
	}
}

// FuzzHello: nothing but a proof makes either end take the other.
func FuzzHello(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(make([]byte, 49), make([]byte, 48))
	f.Add([]byte("N"), bytes.Repeat([]byte("x"), 100))
	f.Fuzz(func(t *testing.T, agent, node []byte) {
		say := func(said []byte) net.Conn {
			a, b := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, a) }()
			go func() {
				_, _ = a.Write(said)
				a.Close()
			}()
			t.Cleanup(func() { b.Close() })
			return b
		}
		if _, err := agentlink.AcceptHello(say(agent), token); err == nil {
			t.Errorf("%q is taken for an agent", agent)
		}
		if err := agentlink.SayHello(say(node), agentlink.PurposeNATS, token); err == nil {
			t.Errorf("%q is taken for a node", node)
		}
	})
}
