package ext4_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/ext4"
)

// image makes a file system of the size and lets fill write to it.
func image(t testing.TB, size int64, fill func(*ext4.Writer)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.ext4")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := ext4.NewWriter(f, ext4.Options{Size: size, Label: "test"})
	if err != nil {
		t.Fatal(err)
	}
	fill(w)
	must(t, w.Close())
	must(t, f.Truncate(size))
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// check holds a file system to what the tool of its authors says.
func check(t testing.TB, path string) {
	t.Helper()
	out, err := exec.Command(tool("e2fsck"), "-fn", path).CombinedOutput()
	if err != nil {
		t.Fatalf("e2fsck: %v\n%s", err, out)
	}
}

// tool finds a program that is for administrators, and not on everybody's PATH.
func tool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return filepath.Join("/usr/sbin", name)
}

// mounted runs a script in a mount namespace of its own, with the file system at path mounted at $AT, and returns what it
// prints. Only root can mount: for others it returns false.
func mounted(t testing.TB, path, options, script string) (string, bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		return "", false
	}
	cmd := exec.Command("unshare", "--mount", "sh", "-euc", `mount -t ext4 -o "loop,$OPTIONS" "$IMAGE" "$AT"`+"\n"+script+"\n"+`umount "$AT"`)
	cmd.Env = append(os.Environ(), "OPTIONS="+options, "IMAGE="+path, "AT="+t.TempDir(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mount %s: %v\n%s", path, err, out)
	}
	return strings.TrimSpace(string(out)), true
}
