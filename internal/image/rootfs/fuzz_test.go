package rootfs_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/image/rootfs"
)

var fuzzLimits = rootfs.Limits{Bytes: 64 << 10, Files: 200}

// Whatever the bytes of two layers are, what checkInvariants says holds.
func FuzzApply(f *testing.F) {
	f.Add(archive(f, file("../outside/canary", "bad")), archive(f, file("a", "x")))
	f.Add(archive(f, symlink("a", "../outside"), file("a/canary", "bad")), archive(f, file("a/.wh.canary", "")))
	f.Add(archive(f, directory("d"), file("d/f", "x"), hardLink("g", "d/f")), archive(f, file("d/.wh..wh..opq", ""), special(tar.TypeChar, "d/dev"), file(".wh.g", "")))
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		checkInvariants(t, lower, upper)
	})
}

// The same for what gets past the checksums. Each line of the script is an entry: its type, its name
// and after a bar what it has in it or leads to. An empty line begins the next layer.
func FuzzEntries(f *testing.F) {
	f.Add("2a|../outside\n0a/canary|bad\n\n0a/.wh.canary\n0.wh.outside")
	f.Add("2a|/\n1b|a/../outside/canary\n0b|bad\n\n1c|a/b\n0c|bad")
	f.Add("2a|b\n2b|a/..\n5a/c\n\n0a|x\n0b/.wh..wh..opq")
	f.Add("2l|../../outside\n5d\n2d/up|..\n\n5l\n0d/up/l/new|bad\n0d/up/outside/.wh.canary\n0d/.wh...")
	f.Add("5a/b/c\n0a/b/c/d|x\n2a/b/e|c\n\n0a/b/e/.wh..wh..opq\n2a|/outside\n0a/canary|bad\n1q|a/canary\n3a\n6q")
	f.Fuzz(func(t *testing.T, script string) {
		var layers [][]byte
		for layer := range strings.SplitSeq(script, "\n\n") {
			var entries []*tar.Header
			for line := range strings.SplitSeq(layer, "\n") {
				if h := entryOf(line); h != nil {
					entries = append(entries, h)
				}
			}
			layers = append(layers, archive(t, entries...))
		}
		checkInvariants(t, layers...)
	})
}

// entryOf makes an entry of a line, or nil if there can be none like that.
func entryOf(line string) *tar.Header {
	if len(line) < 2 {
		return nil
	}
	name, rest, _ := strings.Cut(line[1:], "|")
	h := &tar.Header{Typeflag: line[0], Name: name, Mode: 0o7777}
	switch h.Typeflag {
	case tar.TypeReg:
		h.PAXRecords = map[string]string{"content": rest}
	case tar.TypeLink, tar.TypeSymlink:
		h.Linkname = rest
	case tar.TypeDir, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
	default:
		return nil
	}
	tried := *h
	tried.PAXRecords = nil
	if tar.NewWriter(io.Discard).WriteHeader(&tried) != nil {
		return nil
	}
	return h
}

// checkInvariants unpacks layers. Afterwards nothing outside of the root is changed, there are neither
// devices nor set-user-id files inside, the limits are kept, and all of it can be measured and removed.
func checkInvariants(t *testing.T, layers ...[]byte) {
	t.Helper()
	s := newStage(t, fuzzLimits)
	for _, layer := range layers {
		if err := s.u.Apply(t.Context(), bytes.NewReader(layer)); err != nil && !errors.Is(err, rootfs.ErrMalformed) && !errors.Is(err, rootfs.ErrTooLarge) {
			t.Errorf("error %v is of no class", err)
		}
	}
	checkOutside(t, s.dir)
	size, err := rootfs.Measure(s.root)
	if err != nil || size.Files > fuzzLimits.Files || size.Bytes > fuzzLimits.Bytes+int64(fuzzLimits.Files)*4096 {
		t.Errorf("size = %+v, %v", size, err)
	}
	root := filepath.Join(s.dir, "root")
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket|fs.ModeSetuid) != 0 {
			t.Errorf("%s is %v", p, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(root); err != nil {
		t.Error(err)
	}
}
