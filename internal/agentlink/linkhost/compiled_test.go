package linkhost_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
)

// keeper is a node's end that keeps compiled code.
type keeper struct {
	t    *testing.T
	link *linkhost.Link
	b    agentlink.Bootstrap
	conn *agentlink.Conn
	kept chan []byte // has room for what no test gives
	err  error       // of keeping
}

// compiling is an agent that was given a function, and says that it is going to give what it compiled.
func compiling(t *testing.T) *keeper {
	t.Helper()
	k := &keeper{t: t, kept: make(chan []byte, 10)}
	k.link, k.b = admit(t, linktest.StartHost(t), "A")
	var err error
	if k.conn, err = agentlink.Dial(k.b); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.conn.Close)
	return k
}

// deploy makes the agent answer so.
func (k *keeper) deploy(reply agentlink.DeployReply) {
	k.t.Helper()
	if err := k.conn.Serve(&handler{deploy: func(agentlink.Deploy) agentlink.DeployReply { return reply }}); err != nil {
		k.t.Fatal(err)
	}
	if _, err := k.conn.Handshake(k.t.Context(), agentlink.Handshake{AgentID: "A"}); err != nil {
		k.t.Fatal(err)
	}
	e := ignored
	e.Compiled = k.keep
	if _, err := k.link.Deploy(k.t.Context(), agentlink.Deploy{}, e); (err == nil) != (reply.Error == "") {
		k.t.Fatal(err)
	}
}

func (k *keeper) keep(r io.Reader, size int64) error {
	content, err := io.ReadAll(r)
	if err == nil && int64(len(content)) != size {
		k.t.Errorf("%d bytes came, want %d", len(content), size)
	}
	if err = errors.Join(err, k.err); err == nil {
		k.kept <- content
	}
	return err
}

// wantKept checks what was kept, all of it.
func (k *keeper) wantKept(want ...string) {
	k.t.Helper()
	close(k.kept)
	var got []string
	for b := range k.kept {
		got = append(got, string(b))
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		k.t.Errorf("kept was %.100q, want %q", got, want)
	}
}

// refused checks that the node closes a connection without another word, once it has said so many.
func refused(t *testing.T, conn net.Conn, words int) {
	t.Helper()
	said, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) || len(said) != words {
		t.Errorf("the node says %q, %v, want %d bytes and that it closes the connection", said, err, words)
	}
}

var willCompile = agentlink.DeployReply{PID: 1, Compiled: true}

func TestCompiledIsKept(t *testing.T) {
	t.Parallel()
	k := compiling(t)
	k.deploy(willCompile)
	large := bytes.Repeat([]byte("code"), 1<<20)
	if err := k.conn.SendCompiled(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	if err := k.conn.SendCompiled(t.Context(), []byte("more")); err == nil || !strings.Contains(err.Error(), "does not take it") {
		t.Errorf("error of a second time = %v, want that the node does not take it", err)
	}
	k.link.Close()
	k.wantKept(string(large))
}

// The node takes it from an agent that had to compile, and after it has answered.
func TestCompiledIsNotTaken(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]agentlink.DeployReply{
		"nothing was compiled":  {PID: 1},
		"the function is wrong": {Error: "no function", Compiled: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := compiling(t)
			early := make(chan error, 1)
			go func() { early <- k.conn.SendCompiled(t.Context(), []byte("early")) }()
			k.deploy(reply)
			if err := <-early; err == nil {
				t.Error("what came early was taken")
			}
			if err := k.conn.SendCompiled(t.Context(), []byte("late")); err == nil {
				t.Error("what came late was taken")
			}
			k.link.Close()
			k.wantKept()
		})
	}
	t.Run("a program", func(t *testing.T) {
		link, conn := dial(t, &handler{deploy: func(agentlink.Deploy) agentlink.DeployReply { return willCompile }})
		if _, err := link.Deploy(t.Context(), agentlink.Deploy{}, ignored); err != nil {
			t.Fatal(err)
		}
		if err := conn.SendCompiled(t.Context(), []byte("code")); err == nil {
			t.Error("what a program gives was taken")
		}
	})
	t.Run("never deployed", func(t *testing.T) {
		k := compiling(t)
		conn := hello(t, k.b, agentlink.PurposeCompiled, k.b.Token)
		k.link.Close()
		refused(t, conn, 0)
	})
	t.Run("wrong token", func(t *testing.T) {
		k := compiling(t)
		k.deploy(willCompile)
		refused(t, hello(t, k.b, agentlink.PurposeCompiled, strings.Repeat("x", agentlink.TokenBytes)), 0)
	})
}

// What is too large, or not whole, is not kept, and is the only attempt.
func TestCompiledIsNotWhole(t *testing.T) {
	t.Parallel()
	size := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	for name, sent := range map[string][]byte{
		"too large": size(agentlink.MaxCompiledBytes + 1), "empty": size(0), "cut off": append(size(10), "code"...), "no size": {0},
	} {
		t.Run(name, func(t *testing.T) {
			k := compiling(t)
			k.deploy(willCompile)
			conn := hello(t, k.b, agentlink.PurposeCompiled, k.b.Token)
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				t.Fatalf("the node does not want it: %v", err)
			}
			if _, err := conn.Write(sent); err != nil {
				t.Fatal(err)
			}
			_ = conn.(*net.UnixConn).CloseWrite()
			refused(t, conn, 0)
			if err := k.conn.SendCompiled(t.Context(), []byte("again")); err == nil {
				t.Error("a second attempt is taken")
			}
			k.link.Close()
			k.wantKept()
		})
	}
	t.Run("sent too large", func(t *testing.T) {
		k := compiling(t)
		k.deploy(willCompile)
		for _, n := range []int{0, agentlink.MaxCompiledBytes + 1} {
			if err := k.conn.SendCompiled(t.Context(), make([]byte, n)); err == nil {
				t.Errorf("%d bytes are sent", n)
			}
		}
	})
}

// A node that cannot keep it says so to the agent, and one that goes lets it go.
func TestCompiledCannotBeKept(t *testing.T) {
	t.Parallel()
	k := compiling(t)
	k.err = errors.New("the disk is full")
	k.deploy(willCompile)
	if err := k.conn.SendCompiled(t.Context(), []byte("code")); err == nil {
		t.Error("it is kept, want that the disk is full")
	}

	k = compiling(t)
	k.deploy(willCompile)
	conn := hello(t, k.b, agentlink.PurposeCompiled, k.b.Token)
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	k.link.Close()
	if took := time.Since(began); took > nextest.Patience/2 {
		t.Errorf("the link waited %s for an agent that sends nothing", took)
	}
	k.wantKept()
}

// An agent that ends gives up giving.
func TestCompiledIsGivenUp(t *testing.T) {
	t.Parallel()
	k := compiling(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	failure := errors.New("on purpose")
	sent := make(chan error, 1)
	go func() { sent <- k.conn.SendCompiled(ctx, []byte("code")) }()
	cancel(failure)
	if err := <-sent; !errors.Is(err, failure) {
		t.Errorf("error = %v, want %v", err, failure)
	}
}
