package sandboxdir_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// A sandbox that cannot be removed does not keep the others from being removed, and its processes are ended.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a directory that cannot be removed, by mounting something")
	}
	dir := t.TempDir()
	paths := map[string]string{}
	for _, id := range []string{"first", "second", "third"} {
		paths[id] = makeDir(t, dir, id)
	}
	process, processEnd := sleep(t)
	other, otherEnd := sleep(t)
	if err := sandboxdir.WriteRecord(paths["first"], sandboxdir.Record{Process: process, Others: []proctree.Identity{other}}); err != nil {
		t.Fatal(err)
	}
	mounted := filepath.Join(paths["first"], "mounted")
	if err := os.Mkdir(mounted, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("nex-test", mounted, "tmpfs", 0, "size=4096"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mounted, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	n, err := sandboxdir.Sweep(t.Context(), dir, marker, nil, slog.New(slog.DiscardHandler))
	if n != 2 || err == nil || !strings.Contains(err.Error(), "sweep sandbox first") {
		t.Errorf("Sweep = %d, %v, want 2 and an error about the first", n, err)
	}
	if processEnd() == nil || otherEnd() == nil {
		t.Error("a process was not killed")
	}
	wantGone(t, paths["second"])
	wantGone(t, paths["third"])
}
