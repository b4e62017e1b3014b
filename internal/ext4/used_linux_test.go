package ext4_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/nex-engine/nex/internal/ext4"
)

func TestUsed(t *testing.T) {
	var used int64
	path := image(t, 8<<20, func(w *ext4.Writer) { write(w, "fa|100", ext4.Attr{Mode: 0o644}) })
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	if used, err = ext4.Used(f); err != nil || used < 100<<10 || used > 1<<20 {
		t.Errorf("used = %d, %v, want what a file of 100 KiB takes", used, err)
	}
	if _, err := ext4.Used(bytes.NewReader(make([]byte, 4096))); err == nil {
		t.Error("zeros are a file system")
	}
}

// Whatever a superblock says, no more is taken than a file system can have.
func FuzzUsed(f *testing.F) {
	f.Add(make([]byte, 2048))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if used, err := ext4.Used(bytes.NewReader(b)); err == nil && (used < 0 || used > 1<<44) {
			t.Errorf("used = %d", used)
		}
	})
}
