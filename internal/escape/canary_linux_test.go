package escape_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// canaries are files of the host that nobody may touch.
type canaries struct {
	paths   []string
	watch   int // an inotify instance
	watched map[int]string
}

const song = "the canary sings"

// newCanaries puts canaries into the node's data directory, the home of root, the directory for temporary
// files, and beside it.
func newCanaries(t *testing.T, r *rig) *canaries {
	t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(watch) })
	c := &canaries{watch: watch, watched: map[int]string{}}
	for _, place := range []string{r.up.Ready.DataDir, "/root", "/tmp", "/var/tmp"} {
		dir, err := os.MkdirTemp(place, "canary-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if dir, err = filepath.Abs(dir); err != nil {
			t.Fatal(err)
		}
		// Whoever comes past the sandbox is nobody on the host, and must be let in to be seen.
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "canary")
		writeFile(t, path, song)
		if err := os.Chmod(path, 0o666); err != nil {
			t.Fatal(err)
		}
		wd, err := unix.InotifyAddWatch(watch, dir, unix.IN_ALL_EVENTS)
		if err != nil {
			t.Fatal(err)
		}
		c.watched[wd] = dir
		c.paths = append(c.paths, path)
	}
	return c
}

func (c *canaries) dirs() []string {
	var dirs []string
	for _, p := range c.paths {
		dirs = append(dirs, filepath.Dir(p))
	}
	return dirs
}

// touched is what was done to the canaries since the last time: directories, and events of inotify.
func (c *canaries) touched(t *testing.T) []string {
	t.Helper()
	var touched []string
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.Read(c.watch, buf)
		if errors.Is(err, unix.EAGAIN) {
			return touched
		}
		if err != nil {
			t.Fatal(err)
		}
		for rest := buf[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			field := func(i int) uint32 { return binary.NativeEndian.Uint32(rest[4*i:]) }
			touched = append(touched, fmt.Sprintf("%s: %#x", c.watched[int(field(0))], field(1)))
			rest = rest[unix.SizeofInotifyEvent+int(field(3)):]
		}
	}
}

// wantUntouched checks that the canaries are unread and unchanged, and have no company.
func (c *canaries) wantUntouched(t *testing.T) {
	t.Helper()
	if touched := c.touched(t); len(touched) > 0 {
		t.Errorf("somebody has touched the canaries: %q", touched)
	}
	for _, path := range c.paths {
		if b, err := os.ReadFile(path); err != nil || string(b) != song {
			t.Errorf("the canary %s is %q, %v", path, b, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
			t.Errorf("the canary %s is %v, %v", path, info, err)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Errorf("beside the canary %s there is %v, %v", path, entries, err)
		}
	}
	c.touched(t) // by these looks
}
