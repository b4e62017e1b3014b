package proctree_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/proctree"
)

// The test binary is its own helper program: with this variable it plays a part instead of testing.
const partVariable = "PROCTREE_TEST_PART"

func TestMain(m *testing.M) {
	if part := os.Getenv(partVariable); part != "" {
		os.Exit(play(part, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// helper is a command that plays a part.
func helper(part string, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), partVariable+"="+part)
	return cmd
}

func shell(script string) *exec.Cmd {
	return exec.Command("/bin/sh", "-c", script)
}

// started is a tree whose output is read line by line.
type started struct {
	*proctree.Tree
	lines <-chan string
}

// start starts cmd as a tree that is gone when the test ends.
func start(t *testing.T, cmd *exec.Cmd, opts ...proctree.Option) started {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, os.Stderr
	tree, err := proctree.Start(cmd, opts...)
	write.Close()
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		defer read.Close()
		for s := bufio.NewScanner(read); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		kill(t, tree)
		_ = tree.Wait()
		for range lines { // ends when nobody holds the output any more
		}
	})
	return started{tree, lines}
}

func kill(t *testing.T, tree *proctree.Tree) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := tree.Kill(ctx); err != nil {
		t.Errorf("Kill: %v", err)
	}
}

// line is the next line that a tree prints.
func (s started) line(t *testing.T) string {
	t.Helper()
	select {
	case l, ok := <-s.lines:
		if !ok {
			t.Fatal("the program ended its output")
		}
		return l
	case <-time.After(30 * time.Second):
		t.Fatal("the program prints nothing")
		return ""
	}
}

// process reads a line "<pid>" and identifies the process.
func (s started) process(t *testing.T) proctree.Identity {
	t.Helper()
	return identify(t, s.line(t))
}

func identify(t *testing.T, pid string) proctree.Identity {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(strings.TrimSpace(pid), &n); err != nil {
		t.Fatalf("%q is no process id", pid)
	}
	id, err := proctree.Identify(n)
	if err != nil {
		t.Fatalf("Identify(%d): %v", n, err)
	}
	return id
}

func wantGone(t *testing.T, id proctree.Identity, what string) {
	t.Helper()
	if id.Running() {
		t.Errorf("%s (process %d) is still running", what, id.PID)
	}
}

// eventually is for what there is no event of.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
