//go:build linux

package agent_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
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
		{"lines of both streams", `yes "a line like those in a log, of some length" | head -c 536870912 | tee /dev/stderr`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := startAgent(t)
			start := time.Now()
			n.run(tt.script + `; grep VmHWM /proc/$PPID/status; exec sleep 1000`)
			// The program comes to its last line by the time that the pipes take, not the link; that line
			// may have been dropped.
			n.await("report", func() bool { return len(n.logs) > 0 && n.logs[len(n.logs)-1].Stream == nex.StreamNex })
			n.undeploy(patience)
			n.awaitExit()
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("1 GiB took %v", d)
			}
			dropped := n.lines(nex.StreamNex)
			if len(dropped) == 0 || !strings.Contains(dropped[0], "were dropped") {
				t.Errorf("reports = %q", dropped)
			}
			status, err := os.ReadFile("/proc/self/status")
			_ = status
			_ = err
		})
	}
}
