package datadir_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/datadir"
)

func TestHoldPID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "node.pid")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	// What a killed process left, longer than what is written now.
	if err := os.WriteFile(path, []byte("123456789012345\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := datadir.HoldPID(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "123456789012345\n" {
		t.Errorf("pid file before Write = %q, %v", got, err)
	}
	if err := held.Write(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if want := strconv.Itoa(os.Getpid()) + "\n"; err != nil || string(got) != want {
		t.Errorf("pid file = %q, %v, want %q", got, err, want)
	}
	if _, err := datadir.HoldPID(path); err == nil || !strings.Contains(err.Error(), "another node holds") {
		t.Errorf("second HoldPID = %v, want a refusal", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("pid file after Close: %v, want none", err)
	}
	again, err := datadir.HoldPID(path)
	if err != nil {
		t.Fatalf("HoldPID after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
