package sandboxdir_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/nex-engine/nex/internal/sandboxdir"
)

func TestOwned(t *testing.T) {
	t.Parallel()
	var nobody *sandboxdir.Owned
	if nobody.Has("a") {
		t.Error("nobody owns a sandbox")
	}
	var o sandboxdir.Owned
	for range 2 {
		if o.Has("a") {
			t.Error("a sandbox is owned that was not taken")
		}
		if err := o.Take("a"); err != nil {
			t.Error(err)
		}
		if o.Take("a") == nil || !o.Has("a") {
			t.Error("a sandbox can be taken twice")
		}
		o.Release("a")
	}
}

func TestSweepSparesOwned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept, left := makeDir(t, dir, "kept"), makeDir(t, dir, "left")
	id, end := sleep(t, marker+"=kept")
	for _, path := range []string{kept, left} {
		if err := sandboxdir.WriteRecord(path, sandboxdir.Record{Process: id}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(sandboxdir.RecordFile(left), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	var o sandboxdir.Owned
	if err := o.Take("kept"); err != nil {
		t.Fatal(err)
	}
	if n, err := sandboxdir.Sweep(t.Context(), dir, marker, &o, slog.New(slog.DiscardHandler)); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1, nil", n, err)
	}
	wantGone(t, left)
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Errorf("the process of an owned sandbox: %v", err)
	}
}
