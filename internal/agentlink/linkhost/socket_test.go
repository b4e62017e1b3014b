package linkhost_test

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
)

// open connects to an agent's socket.
func open(t testing.TB, b agentlink.Bootstrap) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(b.LinkDir, agentlink.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// hello connects to an agent's socket and says a hello, whatever becomes of it.
func hello(t testing.TB, b agentlink.Bootstrap, purpose byte, token string) net.Conn {
	t.Helper()
	conn := open(t, b)
	if agentlink.SayHello(conn, purpose, token) != nil {
		_ = conn.(*net.UnixConn).CloseWrite()
	}
	_ = conn.SetDeadline(time.Now().Add(nextest.Patience))
	return conn
}

// connectCalls is the agent's end of a stream of calls, as bytes.
func connectCalls(t testing.TB, b agentlink.Bootstrap) net.Conn {
	t.Helper()
	conn := hello(t, b, agentlink.PurposeCalls, b.Token)
	taken := make([]byte, 1)
	if _, err := io.ReadFull(conn, taken); err != nil || taken[0] != agentlink.HelloTaken {
		t.Fatalf("the node answers the hello %q, %v", taken, err)
	}
	return conn
}

func writeFrame(t testing.TB, conn net.Conn, kind byte, body []byte) {
	t.Helper()
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+1)), kind)
	if _, err := conn.Write(append(frame, body...)); err != nil {
		t.Fatal(err)
	}
}

// Without the token nothing can be said, and with it no more than an agent says.
func TestSocketRefuses(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	_, b := admit(t, h, "A")
	_, other := admit(t, h, "B")
	connectCalls(t, b)
	for name, conn := range map[string]net.Conn{
		"no purpose":      hello(t, b, '?', b.Token),
		"a second stream": hello(t, b, agentlink.PurposeCalls, b.Token),
		"no proof":        claim(t, b, agentlink.PurposeNATS, make([]byte, 32)),
		"half a proof":    claim(t, b, agentlink.PurposeCalls, make([]byte, 16)),
	} {
		if said, err := io.ReadAll(conn); len(said) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the node says %q, %v, want that it closes the connection", name, said, err)
		}
	}
	for name, token := range map[string]string{
		"wrong":       strings.Repeat("x", agentlink.TokenBytes),
		"another's":   other.Token,
		"no length":   "",
		"only zeroes": strings.Repeat("\x00", agentlink.TokenBytes),
	} {
		if err := agentlink.SayHello(open(t, b), agentlink.PurposeNATS, token); !errors.Is(err, agentlink.ErrHello) {
			t.Errorf("hello with a token that is %s: %v, want %v", name, err, agentlink.ErrHello)
		}
	}
}

// claim says hello with a proof that it has made up.
func claim(t *testing.T, b agentlink.Bootstrap, purpose byte, proof []byte) net.Conn {
	t.Helper()
	conn := open(t, b)
	_ = conn.SetDeadline(time.Now().Add(nextest.Patience))
	if _, err := conn.Write(append([]byte{purpose}, make([]byte, 16)...)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 48)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(proof); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.UnixConn).CloseWrite()
	return conn
}

// Connections of an agent that says nothing are few.
func TestSocketIsBounded(t *testing.T) {
	t.Parallel()
	_, b := admit(t, linktest.StartHost(t), "A")
	for range 20 {
		open(t, b)
	}
	last := open(t, b)
	_ = last.SetDeadline(time.Now().Add(nextest.Patience))
	if said, err := io.ReadAll(last); len(said) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the node says %q, %v, want that it closes the connection", said, err)
	}
}

// An agent that has no network reaches the internal server by its socket.
func TestLinkBySocket(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	link, err := h.Admit("A")
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	b, err := agentlink.Decode[agentlink.Bootstrap](link.Bootstrap("", false))
	if err != nil || b.URL != "" {
		t.Fatalf("bootstrap = %+v, %v, want one without URL", b, err)
	}
	c, err := agentlink.Dial(b)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Serve(&handler{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Handshake(t.Context(), agentlink.Handshake{AgentID: "A"}); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Deploy(t.Context(), agentlink.Deploy{Function: &agentlink.Function{}}, ignored); err != nil {
		t.Fatal(err)
	}
	if a := call(t, link, agentlink.Trigger{Timeout: nextest.Patience, Payload: []byte("x")}); string(a.Payload) != "x" {
		t.Errorf("answer = %+v, want the payload", a)
	}
	link.Close()
	select {
	case <-c.Lost():
	case <-time.After(nextest.Patience):
		t.Error("the agent's link is not lost")
	}
	if _, err := os.Stat(b.LinkDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory of the socket is left: %v", err)
	}
}

// The path of a socket may be longer than the kernel takes.
func TestLongPathOfSocket(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only linux has another way to a socket")
	}
	h, err := linkhost.Start(linkhost.Config{Dir: filepath.Join(t.TempDir(), strings.Repeat("x", 200)), Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	_, b := admit(t, h, "A")
	b.URL = ""
	c, err := agentlink.Dial(b)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
