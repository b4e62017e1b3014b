package vmm_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// Sockets work in directories of any depth, and a name is taken once.
func TestSockets(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("long", 30))} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := vmm.Listen(dir, "guest")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		conn, err := vmm.Dial(t.Context(), dir, "guest")
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if _, err := vmm.Listen(dir, "guest"); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("Listen at a name that is taken = %v, want that it is in use", err)
		}
		l.Close()
		for _, name := range []string{"guest", "missing"} { // nobody listens
			if _, err := vmm.Dial(t.Context(), dir, name); err == nil {
				t.Errorf("Dial of %s, where nobody listens, succeeds", name)
			}
		}
	}
	if _, err := vmm.Listen(filepath.Join(t.TempDir(), strings.Repeat("long", 30)), "guest"); err == nil {
		t.Error("Listen in a directory that is missing succeeds")
	}
}

func TestCopySparse(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	dir := t.TempDir()
	for name, pieces := range map[string]map[int64]string{
		"empty":  {},
		"begin":  {0: "begin"},
		"pieces": {1 << 20: "one", 3<<20 + 5: "two", size - 3: "end"},
	} {
		from, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		if err := from.Truncate(size); err != nil {
			t.Fatal(err)
		}
		for at, text := range pieces {
			if _, err := from.WriteAt([]byte(text), at); err != nil {
				t.Fatal(err)
			}
		}
		to, err := os.Create(filepath.Join(dir, name+".copy"))
		if err != nil {
			t.Fatal(err)
		}
		defer to.Close()
		if err := vmm.CopySparse(to, from); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(from.Name())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(to.Name()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the copy is another, %v", name, err)
		}
		var stat unix.Stat_t
		if err := unix.Fstat(int(to.Fd()), &stat); err != nil {
			t.Fatal(err)
		}
		if taken := stat.Blocks * 512; taken > size/2 {
			t.Errorf("%s: the copy takes %d bytes", name, taken)
		}
	}
}
