package microvm_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// Who runs the machines of a directory is found while one runs, whatever else is there.
func TestRunningVMM(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	want := func(when, name string) {
		t.Helper()
		if got := microvm.RunningVMM(dir); got != name {
			t.Errorf("%s: the VMM is %q, want %q", when, got, name)
		}
	}
	want("before there is a directory", "")
	d := newStandin(t, &standin{}, microvm.Config{Dir: dir})
	for _, name := range []string{"0halfmade", "0damaged", "image-0"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(sandboxdir.RecordFile(filepath.Join(dir, "0damaged")), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	want("without a machine", "")
	i, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1", Bootstrap: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	want("while it runs", "standin")
	record, err := os.ReadFile(sandboxdir.RecordFile(filepath.Join(dir, "agent1")))
	if err != nil {
		t.Fatal(err)
	}
	microvmtest.Destroy(t, i)
	if err := os.Mkdir(filepath.Join(dir, "agent1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sandboxdir.RecordFile(filepath.Join(dir, "agent1")), record, 0o600); err != nil {
		t.Fatal(err)
	}
	want("after its end", "")
}
