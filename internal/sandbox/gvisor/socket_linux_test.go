package gvisor_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// A node that starts again makes the socket of a link anew, under its old name. From inside it is reached,
// also by an agent that has used the one before and found that one dead.
func TestSocketIsReplaced(t *testing.T) {
	t.Parallel()
	d, err := newDriver(gvisor.Config{AgentPath: sandboxtest.BuildAgent(t), Dir: filepath.Join(t.TempDir(), "state")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	dir, err := os.MkdirTemp("", "nex-link-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const rounds = 4
	inside := func(name string) string { return gvisor.LinkDir + "/" + name }
	var steps []plan.Step
	for n := range rounds {
		steps = append(steps, plan.Text(plan.Await, inside("made"+strconv.Itoa(n))), plan.Text(plan.Call, inside("node.sock")))
		if n%2 == 0 { // the agent has not seen that it was away
			continue
		}
		steps = append(steps,
			plan.Text(plan.Await, inside("dead"+strconv.Itoa(n))), plan.Text(plan.Call, inside("node.sock")),
			plan.Text(plan.Await, inside("gone"+strconv.Itoa(n))), plan.Text(plan.Call, inside("node.sock")))
	}
	said := make(chan string, 100)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	i, err := d.Start(ctx, sandbox.Spec{
		ID: "agent" + strings.ToLower(rand.Text())[:20], LinkDir: dir,
		Bootstrap: plan.Plan{Steps: append(steps, plan.Do(plan.Hang))}.Encode(),
		Log:       func(line string) { said <- line },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := i.Destroy(ctx); err != nil {
			t.Error(err)
		}
	})
	want := func(what, prefix string) {
		t.Helper()
		select {
		case line := <-said:
			if !strings.HasPrefix(line, prefix) {
				t.Errorf("%s: the agent says %q, want %q", what, line, prefix)
			}
		case <-time.After(patience):
			t.Fatalf("%s: the agent says nothing", what)
		}
	}
	mark := func(name string, n int) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name+strconv.Itoa(n)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "node.sock")
	for n := range rounds {
		answer := "answer of node " + strconv.Itoa(n)
		die := answerAt(t, socket, answer)
		mark("made", n)
		want("a socket that is made", "answer "+strconv.Quote(answer))
		die()
		if n%2 == 1 {
			mark("dead", n)
			want("a socket of a node that was killed", "unanswered ")
		}
		if err := os.Remove(socket); err != nil {
			t.Fatal(err)
		}
		if n%2 == 1 {
			mark("gone", n)
			want("a socket that is removed", "unanswered ")
		}
	}
}

// answerAt answers each line at a unix socket until the returned function is called, which leaves its name, as
// the end of a process does.
func answerAt(t *testing.T, path, answer string) (die func()) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if bufio.NewScanner(conn).Scan() {
				fmt.Fprintln(conn, answer)
			}
			conn.Close()
		}
	}()
	die = func() { l.Close(); <-ended }
	t.Cleanup(die)
	return die
}
