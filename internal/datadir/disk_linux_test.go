package datadir_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/datadir"
	"github.com/nex-engine/nex/internal/nextest"
)

// A full disk keeps nobody from holding directory and pid file.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	nextest.OnSmallDisk(t, "256k", func(dir string) { onFullDisk(t, dir) })
}

func onFullDisk(t *testing.T, dir string) {
	t.Helper()
	stale := filepath.Join(dir, "stale")
	if err := os.WriteFile(stale, []byte("12345678901\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	d, err := datadir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	path := filepath.Join(dir, "new")
	held := holdPID(t, path)
	if err := held.Write(); !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "write the pid file: ") {
		t.Errorf("write: %v", err)
	}
	if _, err := datadir.HoldPID(path); err == nil || !strings.Contains(err.Error(), "another node holds") {
		t.Errorf("held by a second: %v", err)
	}
	// What there is room for already is used, and never given up for nothing.
	if err := holdPID(t, stale).Write(); err != nil {
		t.Errorf("write over another: %v", err)
	}
	want := strconv.Itoa(os.Getpid()) + "\n"
	if got, err := os.ReadFile(stale); string(got) != want || err != nil {
		t.Errorf("pid file = %q, %v, want %q", got, err, want)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := held.Write(); err != nil {
		t.Error(err)
	}
}

// holdPID holds a pid file until the test ends.
func holdPID(t *testing.T, path string) *datadir.PIDFile {
	t.Helper()
	held, err := datadir.HoldPID(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
	return held
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
