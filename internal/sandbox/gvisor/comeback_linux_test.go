package gvisor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
)

// wantTold checks that an agent inside tries to come back whenever it is told: by itself it would take a minute for
// so many tries.
func wantTold(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, agentlink.SocketName)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l, err := agentlink.ListenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := errors.Join(os.Chmod(path, 0o666), l.SetDeadline(time.Now().Add(20*time.Second))); err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		if err := agentlink.Wake(dir); err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatalf("try %d: %v", n, err)
		}
		conn.Close()
	}
}

// An agent that has lost its node comes back to the next one from inside of its sandbox, and answers its calls.
func TestAgentComesBack(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "nex-link-") // short enough for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	open := func() *linkhost.Host {
		h, err := linkhost.Start(linkhost.Config{
			NodeID: "node", Dir: filepath.Join(dir, "link"), Secret: bytes.Repeat([]byte{1}, 32),
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Close)
		return h
	}
	n := newNode(t, gvisor.Config{})
	n.host = open()
	a := n.start(sandbox.Spec{})
	script := filepath.Join(t.TempDir(), "echo.js")
	if err := os.WriteFile(script, []byte(echoScript), 0o400); err != nil {
		t.Fatal(err)
	}
	reply := a.deploy(script, agentlink.Deploy{Type: nex.TypeV8, Function: &agentlink.Function{Concurrency: 1, MemoryBytes: 128 << 20, MaxResultBytes: 1 << 20}})
	if reply.Error != "" {
		t.Fatalf("Deploy: %s", reply.Error)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	id := filepath.Base(a.link.Dir())
	for range 3 {
		n.host.Leave()
		wantTold(t, a.link.Dir())
		n.host = open()
		if a.link, err = n.host.Readmit(id, linkhost.Events{Logs: func([]nex.LogRecord, bool) {}, Exited: func(nex.Exit) bool { return true }}); err != nil {
			t.Fatal(err)
		}
		if err := a.link.Wake(); err != nil {
			t.Fatal(err)
		}
		hello, err := a.link.Handshake(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if hello.Held.WorkloadID != "workload" || hello.Held.PID != reply.PID {
			t.Errorf("the agent holds %+v", hello.Held)
		}
		if got := a.call("hello"); got.Status != 0 {
			t.Errorf("answer = %+v", got)
		}
	}
}
