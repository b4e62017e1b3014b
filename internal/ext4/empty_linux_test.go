package ext4_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/ext4"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

func TestMakeEmpty(t *testing.T) {
	for _, size := range []int64{
		ext4.MinSize, ext4.MinSize + 1, 5*mib + 4095, 100 * mib, 128*mib - 4096, 128 * mib, 128*mib + 4096, 129 * mib, gib, 10*gib + 12345, 64 * gib,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "empty")
			must(t, ext4.MakeEmpty(path, size))
			info, err := os.Stat(path)
			must(t, err)
			if info.Size() != size || info.Mode().Perm() != 0o600 {
				t.Errorf("it has %d bytes and mode %v, want %d and 0600", info.Size(), info.Mode(), size)
			}
			// 2 blocks of bitmap for each group at most.
			if takes, most := info.Sys().(*syscall.Stat_t).Blocks*512, 64<<10+size/(128*mib)*8192; takes > most {
				t.Errorf("it takes %d bytes on disk, want at most %d", takes, most)
			}
			check(t, path)
		})
	}
}

// The kernel writes to it as the upper layer of an overlay, as far as there is room, and leaves it whole.
func TestEmptyIsWritable(t *testing.T) {
	for _, size := range []int64{ext4.MinSize, 32 * mib, 300 * mib} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "empty")
			must(t, ext4.MakeEmpty(path, size))
			lower := t.TempDir()
			must(t, os.WriteFile(filepath.Join(lower, "old"), []byte("lower"), 0o600))
			must(t, os.Mkdir(filepath.Join(lower, "gone"), 0o700))
			out, could := mounted(t, path, "rw", `
				ls -A "$AT"
				lower=`+lower+`; root=$(mktemp -d); trap 'rmdir "$root"' EXIT
				mount -t overlay -o "lowerdir=$lower,upperdir=$AT/upper,workdir=$AT/work" overlay "$root"
				echo changed >"$root/old"; rmdir "$root/gone"; mkdir -p "$root/a/b"; ln "$root/old" "$root/a/b/link"
				for i in 1 2 3 4 5 6 7 8 9; do echo $i >"$root/a/file$i"; done; rm "$root/a/file3"
				cat "$root/a/b/link"; find "$root" -type f | wc -l
				dd if=/dev/zero "of=$root/full" bs=64k 2>&1 | grep -o 'No space left on device'
				size=$(stat -c %s "$root/full"); [ "$size" -gt $(($(stat -c %s "$IMAGE") * 7 / 10)) ] || echo only $size bytes fit
				rm "$root/full"; umount "$root"`)
			if want := "lost+found\nupper\nwork\nchanged\n10\nNo space left on device"; could && out != want {
				t.Errorf("it printed\n%s\nwant\n%s", out, want)
			}
			check(t, path)
		})
	}
}

func TestMakeEmptyRefuses(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	must(t, os.WriteFile(there, []byte("precious"), 0o600))
	if err := ext4.MakeEmpty(there, gib); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v, though the file exists", err)
	}
	if b, _ := os.ReadFile(there); string(b) != "precious" {
		t.Errorf("the file that was there is now %q", b)
	}
	for _, size := range []int64{-1, 0, ext4.MinSize - 1, ext4.MaxSize + 1} {
		path := filepath.Join(dir, "new")
		if err := ext4.MakeEmpty(path, size); err == nil || !strings.Contains(err.Error(), fmt.Sprint(size)) {
			t.Errorf("%d bytes: error = %v, want one that names the size", size, err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d bytes: there is a file: %v", size, err)
		}
	}
}

func BenchmarkMakeEmpty(b *testing.B) {
	for _, size := range []int64{256 * mib, gib, 64 * gib} {
		b.Run(fmt.Sprint(size/mib, "MiB"), func(b *testing.B) {
			dir := b.TempDir()
			for i := 0; b.Loop(); i++ {
				path := filepath.Join(dir, fmt.Sprint(i))
				must(b, ext4.MakeEmpty(path, size))
				must(b, os.Remove(path))
			}
		})
	}
}
