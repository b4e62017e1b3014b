package qemu_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

func newQEMU(t *testing.T, c qemu.Config) *qemu.QEMU {
	t.Helper()
	q, err := qemu.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// QEMU works here, with KVM or without it, which is found out soon.
func TestCheck(t *testing.T) {
	t.Parallel()
	q := newQEMU(t, qemu.Config{})
	begun := time.Now()
	if err := q.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	found, err := q.Accelerator(t.Context())
	if err != nil || found != "kvm" && found != "tcg" {
		t.Errorf("Accelerator = %q, %v", found, err)
	}
	t.Logf("found %s in %v", found, took)
	again := time.Now()
	if err := q.Check(t.Context()); err != nil || time.Since(again) > took {
		t.Errorf("the second Check = %v, after %v", err, time.Since(again))
	}
	if found, err := newQEMU(t, qemu.Config{Emulate: true}).Accelerator(t.Context()); err != nil || found != "tcg" {
		t.Errorf("Accelerator without KVM = %q, %v, want tcg", found, err)
	}
}

// What is no QEMU, or none that works, is told in a sentence.
func TestCheckFails(t *testing.T) {
	t.Parallel()
	if _, err := qemu.New(qemu.Config{Path: filepath.Join(t.TempDir(), "missing")}); err == nil || !strings.Contains(err.Error(), "install QEMU") {
		t.Errorf("New without a program = %v, want that it is to be installed", err)
	}
	complaining := filepath.Join(t.TempDir(), "complaining")
	if err := os.WriteFile(complaining, []byte("#!/bin/sh\necho complaining: warning: odd >&2\necho 'complaining: no such machine' >&2\necho 'warning: all is lost' >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/bin/true": "ends with", complaining: "no such machine"} {
		q := newQEMU(t, qemu.Config{Path: path})
		if err := q.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check of %s = %v, want %q in it", path, err, want)
		}
		if _, err := q.Command(vmm.Machine{ID: "m", Dir: t.TempDir()}); err == nil {
			t.Errorf("Command of %s succeeds", path)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newQEMU(t, qemu.Config{}).Check(ctx); err == nil {
		t.Error("Check without time succeeds")
	}
}

// The sockets of a machine are its own.
func TestCommandTaken(t *testing.T) {
	t.Parallel()
	q := newQEMU(t, qemu.Config{Emulate: true})
	m := vmm.Machine{ID: "m", Dir: filepath.Join(t.TempDir(), strings.Repeat("long", 30)), Kernel: "kernel", MemoryBytes: 64 << 20, CPUs: 1}
	if err := os.Mkdir(m.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd, err := q.Command(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range cmd.ExtraFiles {
		defer f.Close()
	}
	if _, err := q.Dial(t.Context(), m); err != nil { // it waits there
		t.Errorf("Dial before the process is started: %v", err)
	}
	if _, err := q.Command(m); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("Command with a socket that is taken = %v, want that it is in use", err)
	}
}

// The memory of a snapshot is read once, until the snapshot is forgotten.
func TestForget(t *testing.T) {
	t.Parallel()
	q := newQEMU(t, qemu.Config{Emulate: true})
	snapshot := t.TempDir()
	memory := func() string {
		m := vmm.Machine{ID: "m", Dir: t.TempDir(), Kernel: "kernel", MemoryBytes: 64 << 20, CPUs: 1, Snapshot: snapshot}
		cmd, err := q.Command(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range cmd.ExtraFiles {
			defer f.Close()
		}
		b := make([]byte, 3)
		if _, err := cmd.ExtraFiles[len(cmd.ExtraFiles)-1].ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, step := range []struct {
		content string
		forget  bool
		want    string
	}{{"one", false, "one"}, {"two", false, "one"}, {"two", true, "two"}} {
		if err := os.WriteFile(filepath.Join(snapshot, "memory"), []byte(step.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if step.forget {
			q.Forget(snapshot)
		}
		if got := memory(); got != step.want {
			t.Errorf("%+v: the memory is %q", step, got)
		}
	}
	q.Forget(t.TempDir()) // of which nothing is known
	if s, err := q.Fingerprint(t.Context()); err != nil || !strings.Contains(s, ",accel=tcg ") || !strings.Contains(s, "qemu") {
		t.Errorf("Fingerprint = %q, %v, want how and by which program machines run", s, err)
	}
}

func TestComplaint(t *testing.T) {
	t.Parallel()
	q := newQEMU(t, qemu.Config{})
	for said, want := range map[string]string{
		"": "",
		"qemu-system-x86_64: warning: host is odd\n":                                                         "",
		"qemu-system-x86_64: -m 1: too small\nqemu-system-x86_64: terminating on signal 15 from pid 1 (x)\n": "-m 1: too small",
		"one\ntwo":                "two",
		"\xff":                    "\uFFFD",
		strings.Repeat("x", 1000): strings.Repeat("x", 500) + "…",
	} {
		if got := q.Complaint([]byte(said)); got != want {
			t.Errorf("Complaint(%.60q) = %q, want %q", said, got, want)
		}
	}
}

// The counter's speed is the same each time.
func TestTSC(t *testing.T) {
	t.Parallel()
	first, second := qemu.TSCKHz(), qemu.TSCKHz()
	if first == 0 || max(first, second)-min(first, second) > first/1000 {
		t.Errorf("the time stamp counter has %d and %d kHz, want the same", first, second)
	}
}

const greeting = `{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": []}}`

// script is a QEMU that says these lines, each as its answer to a command but for the first.
func script(t *testing.T, lines ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	l, err := vmm.Listen(dir, qemu.MonitorSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for n, line := range lines {
			if n > 0 {
				if _, err := in.ReadString('}'); err != nil {
					return
				}
			}
			fmt.Fprint(conn, line+"\r\n")
		}
		_, _ = in.ReadString(0) // until it has enough
	}()
	return dir
}

func TestMonitor(t *testing.T) {
	t.Parallel()
	const event = `{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}`
	dir := script(t, greeting, `{"return": {}, "id": 1}`, event+"\n"+`{"return": {}, "id": 1}`+"\n"+`{"return": {}, "id": 2}`)
	if err := qemu.Run(t.Context(), dir, "stop"); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"an error":      {[]string{greeting, `{"return": {}, "id": 1}`, `{"error": {"class": "GenericError", "desc": "no such thing"}, "id": 2}`}, "stop: no such thing"},
		"no greeting":   {[]string{event}, "no message"},
		"garbage":       {[]string{"hello"}, "no message"},
		"garbage later": {[]string{greeting, `{"return": {}, "id": 1}`, "[]"}, "no message"},
		"a long line":   {[]string{`{"event": "` + strings.Repeat("x", 1<<20)}, "too long"},
	} {
		if err := qemu.Run(t.Context(), script(t, c.lines...), "stop"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := qemu.Run(ctx, script(t, greeting), "stop"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that is not answered = %v, want %v", err, context.DeadlineExceeded)
	}
	if err := qemu.Run(t.Context(), t.TempDir(), "stop"); err == nil {
		t.Error("a command to nobody succeeds")
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, s := range []string{
		greeting, `{"return": {}, "id": 1}`, `{"error": {"class": "GenericError", "desc": "no"}, "id": 2}`, `{"event": "STOP", "data": {}}`,
		`{"event": "STOP", "return": {}}`, `{}`, `[]`, ``, `{"id": -1, "return": 3}`, `{"error": null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		_ = qemu.ParseMessage(line) // it does not panic
	})
}
