package node_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A node that has another level removes what the machines of the one before were made of.
func TestOtherLevelIsRemoved(t *testing.T) {
	t.Parallel()
	r := start(t)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	machines := filepath.Join(r.dir, "sandbox", "microvm")
	for _, dir := range []string{"snapshot-0-1-2", "image-0", "agent1"} {
		if err := os.MkdirAll(filepath.Join(machines, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(machines, "initrd.img"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.run()
	if err := r.stop(); err != nil { // which has swept then
		t.Fatal(err)
	}
	if _, err := os.Stat(machines); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", machines, err)
	}
}
