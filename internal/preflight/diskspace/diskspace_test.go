package diskspace_test

import (
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/preflight/diskspace"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[uint64]string{
		0: "0 KiB", 1: "1 KiB", 1 << 20: "1 MiB", 1<<30 - 1: "1023 MiB", 1 << 30: "1 GiB", 5 << 29: "2.5 GiB",
	} {
		if got := diskspace.Size(bytes); got != want {
			t.Errorf("Size(%d) = %s, want %s", bytes, got, want)
		}
	}
}

func TestFree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if free, err := diskspace.Free(dir); err != nil || free == 0 {
		t.Errorf("Free = %d, %v; want some", free, err)
	}
	if _, err := diskspace.Free(filepath.Join(dir, "absent")); err == nil {
		t.Error("there is free space in a folder that does not exist")
	}
}
