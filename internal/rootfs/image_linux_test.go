package rootfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/rootfs"
)

// tool finds a program that is for administrators, and not on everybody's PATH.
func tool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return filepath.Join("/usr/sbin", name)
}

// debug asks the debugger of file systems about one.
func debug(t *testing.T, image, command string) string {
	t.Helper()
	cmd := exec.Command(tool("debugfs"), "-R", command, image)
	out, err := cmd.Output()
	must(t, err)
	return string(out)
}

// An image has in it what the directory form has, and its owners whoever has built it.
func TestImageIsLikeDirectory(t *testing.T) {
	c := config(t)
	c.Base = file(t, "base.tar", string(archive(t, baseEntries...)))
	build(t, c)
	if out, err := exec.Command(tool("e2fsck"), "-fn", c.Output).CombinedOutput(); err != nil {
		t.Fatalf("e2fsck: %v\n%s", err, out)
	}
	for path, want := range map[string]string{"/home/nex": "1000", "/work": "1001", "/": "0", "/usr/lib/nex/nex-agent": "0"} {
		out := debug(t, c.Output, "stat "+path)
		if m := regexp.MustCompile(`User: +(\d+) +Group: +(\d+)`).FindStringSubmatch(out); m == nil || m[1] != want || m[2] != want {
			t.Errorf("%s belongs to %v, want %s", path, m, want)
		}
	}
	dumped := t.TempDir()
	debug(t, c.Output, "rdump / "+dumped)
	must(t, os.Remove(filepath.Join(dumped, "lost+found")))
	checkBase(t, relink(t, dumped))
	got, want := listing(t, dumped), listing(t, buildDir(t, c))
	if got != want {
		t.Errorf("the image has\n%s\nthe directory\n%s", got, want)
	}
}

// relink makes one file of the two that the debugger makes of a file with two names.
func relink(t *testing.T, dir string) string {
	t.Helper()
	again := filepath.Join(dir, "bin", "again")
	must(t, os.Remove(again))
	must(t, os.Link(filepath.Join(dir, "bin", "tool"), again))
	return dir
}

// listing tells what is in a directory, but for what the debugger does not keep: owners of links, and sticky bits.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		stat := info.Sys().(*syscall.Stat_t)
		size := info.Size()
		if info.Mode()&fs.ModeSymlink != 0 {
			stat.Uid, stat.Gid, size = 0, 0, 0
		}
		if d.IsDir() {
			size = 0
		}
		if name != "." { // the debugger keeps the one that is there
			fmt.Fprintf(&b, "%v %d %d:%d %s\n", info.Mode()&^fs.ModeSticky, size, stat.Uid, stat.Gid, name)
		}
		return nil
	}))
	return b.String()
}

// The disk is full: a small file system, mounted where nobody else sees it.
func TestDiskFull(t *testing.T) {
	nextest.OnSmallDisk(t, "2m", func(dir string) { onFullDisk(t, dir) })
}

func onFullDisk(t *testing.T, dir string) {
	t.Helper()
	c := config(t)
	c.Agent = static(t, strings.Repeat("x", 3<<20))
	for _, output := range []string{"/rootfs.ext4", "/rootfs.ext4.gz", "/root/"} {
		c.Output = dir + output
		_, err := rootfs.Build(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), "no space left on device: free some room") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error = %v, want that there is no space", output, err)
		}
		if got := left(t, c.Output); len(got) != 0 {
			t.Errorf("%s: left: %v", output, got)
		}
	}
}
