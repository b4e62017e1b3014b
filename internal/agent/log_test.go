//go:build linux

package agent_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	nex "github.com/nex-engine/nex"
)

func TestLogStreams(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`echo to stdout; printf 'windows\r\n'; echo to stderr >&2; printf 'no end'`)
	if exit := n.awaitExit(); !exit.Success() {
		t.Errorf("exit = %+v, want success", exit)
	}
	if got, want := fmt.Sprintf("%q", n.lines(nex.StreamStdout)), `["to stdout" "windows" "no end"]`; got != want {
		t.Errorf("stdout = %s, want %s", got, want)
	}
	if got, want := fmt.Sprintf("%q", n.lines(nex.StreamStderr)), `["to stderr"]`; got != want {
		t.Errorf("stderr = %s, want %s", got, want)
	}
	levels := map[string]slog.Level{nex.StreamStdout: slog.LevelInfo, nex.StreamStderr: slog.LevelError}
	for i, r := range n.logs {
		if r.ID != "w1" || r.Level != int(levels[r.Stream]) || r.Seq != uint64(i+1) || time.Since(r.Time) > patience {
			t.Errorf("record %d = %+v", i, r)
		}
	}
}

func TestLogLongLine(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`head -c 1048576 /dev/zero | tr '\0' x; echo; echo after`)
	n.awaitExit()
	lines := n.lines(nex.StreamStdout)
	if len(lines) != 1<<20/nex.MaxLogLine+1 || lines[len(lines)-1] != "after" {
		t.Fatalf("%d lines, the last %.20q", len(lines), lines[len(lines)-1])
	}
	if got := strings.Join(lines[:len(lines)-1], ""); got != strings.Repeat("x", 1<<20) {
		t.Errorf("pieces put together have %d bytes", len(got))
	}
}

func TestLogBinary(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`head -c 100000 /dev/urandom; head -c 100000 /dev/zero`)
	n.awaitExit()
	size := 0
	for _, line := range n.lines(nex.StreamStdout) {
		size += len(line)
		if !utf8.ValidString(line) || len(line) > nex.MaxLogLine {
			t.Errorf("line of %d bytes, valid %v", len(line), utf8.ValidString(line))
		}
	}
	if size < 100_000 {
		t.Errorf("%d bytes arrived", size)
	}
}

func TestLogPrompt(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`printf 'name? '; exec sleep 1000`)
	n.awaitLine("name? ")
	n.undeploy(patience)
	n.awaitExit()
}

// A program that writes much faster than anybody can read loses lines. It does not wait for them,
// and the agent does not keep them.
func TestLogFlood(t *testing.T) {
	for _, tt := range []struct{ name, script string }{
		{"one endless line", `head -c 1073741824 /dev/zero`},
		{"short lines", `yes | head -c 1073741824`},
		{"both streams", `yes "a line like those in a log, of some length" | head -c 536870912 | tee /dev/stderr`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := startAgent(t)
			done := n.fifo("done")
			start := time.Now()
			n.run(tt.script + `; echo written > done; exec sleep 1000`)
			<-done
			took := time.Since(start)
			memory := peakMemory(t, n.cmd.Process.Pid)
			n.undeploy(patience)
			n.awaitExit()
			t.Logf("1 GiB in %v, the agent's peak memory %d MiB", took, memory>>20)
			if took > 30*time.Second {
				t.Errorf("1 GiB took %v", took)
			}
			if memory > 192<<20 { // the race detector takes several times as much as the agent
				t.Errorf("the agent's peak memory was %d MiB", memory>>20)
			}
			reports := n.lines(nex.StreamNex)
			if len(reports) == 0 || !strings.Contains(reports[0], "were dropped") {
				t.Errorf("reports = %q", reports)
			}
		})
	}
}

// fifo makes a named pipe in the agent's work directory. The channel is closed when the workload has
// written to it.
func (n *node) fifo(name string) <-chan struct{} {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		n.t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		if _, err := os.ReadFile(path); err != nil {
			n.t.Errorf("read %s: %v", name, err)
		}
	}()
	return written
}

// peakMemory is the largest resident set that a process has had.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		t.Fatalf("peak memory of %d: %v", pid, err)
	}
	return kib << 10
}
