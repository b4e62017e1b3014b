//go:build unix

package sandboxdir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/sandboxdir"
)

// patience is how long anything may take on a machine that is busy.
const patience = time.Minute

// makeOutput makes an output whose lines go to the channel.
func makeOutput(t *testing.T, path string) (*sandboxdir.Output, *os.File, chan string) {
	t.Helper()
	got := make(chan string, 10000)
	o, agent, err := sandboxdir.MakeOutput(path, func(line string) { got <- line })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Close() })
	return o, agent, got
}

func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case l := <-lines:
		return l
	case <-time.After(patience):
		t.Fatal("no line comes")
		return ""
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "output")
	o, agent, got := makeOutput(t, path)
	fmt.Fprint(agent, "first\nsec")
	if l := next(t, got); l != "first" {
		t.Errorf("line = %q, want first", l)
	}
	fmt.Fprint(agent, "ond\nno end")
	agent.Close()
	o.End(patience) // at once: nobody can write any more
	close(got)
	var rest []string
	for l := range got {
		rest = append(rest, l)
	}
	if want := []string{"second", "no end"}; !slices.Equal(rest, want) {
		t.Errorf("lines = %q, want %q", rest, want)
	}
	if _, _, err := sandboxdir.MakeOutput(path, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("MakeOutput of one that is there = %v, want %v", err, os.ErrExist)
	}
}

// The next node process reads on where the last one stopped, and the agent's side is never closed to it.
func TestOutputIsReadOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "output")
	o, agent, got := makeOutput(t, path)
	fmt.Fprintln(agent, "first")
	if l := next(t, got); l != "first" {
		t.Errorf("line = %q, want first", l)
	}
	o.End(0) // as if it was killed
	fmt.Fprintln(agent, "second")
	again := make(chan string, 10)
	o, err := sandboxdir.OpenOutput(path, func(line string) { again <- line })
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(agent, "third")
	for _, want := range []string{"second", "third"} {
		if l := next(t, again); l != want {
			t.Errorf("line = %q, want %q", l, want)
		}
	}
	agent.Close()
	o.End(patience)
}

// Nobody waits for anybody: neither the agent for a node, nor the node for somebody who holds the output open.
func TestOutputNeverBlocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "output")
	o, agent, _ := makeOutput(t, path)
	o.End(0)
	line := []byte(strings.Repeat("y", 100) + "\n")
	written := 0
	var err error
	for ; err == nil && written < 1<<20; written += len(line) {
		_, err = unix.Write(int(agent.Fd()), line)
	}
	if !errors.Is(err, unix.EAGAIN) || written < 32<<10 {
		t.Errorf("after %d bytes: %v, want %v after some time", written, err, unix.EAGAIN)
	}
	o, err = sandboxdir.OpenOutput(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.End(0)
	agent.Close()
	if o, err = sandboxdir.OpenOutput(path, nil); err != nil { // nobody has it open
		t.Fatal(err)
	}
	o.End(patience)
}

func TestOpenOutputRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), unix.Mkfifo(fifo, 0o600), os.Symlink(fifo, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, dir, filepath.Join(dir, "missing")} {
		if _, err := sandboxdir.OpenOutput(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("OpenOutput = %v, want an error about %s", err, path)
		}
	}
}
