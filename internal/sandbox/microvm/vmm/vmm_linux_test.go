package vmm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// Who can write to a directory cannot have us connect to a socket elsewhere.
func TestDialFollowsNoLinks(t *testing.T) {
	t.Parallel()
	elsewhere, dir := t.TempDir(), t.TempDir()
	l, err := vmm.Listen(elsewhere, "guest")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink(filepath.Join(elsewhere, "guest"), filepath.Join(dir, "guest")); err != nil {
		t.Fatal(err)
	}
	if _, err := vmm.Dial(t.Context(), dir, "guest"); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("Dial of a link = %v, want that it is no socket", err)
	}
	cause := errors.New("no time")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := vmm.Dial(ctx, elsewhere, "guest"); !errors.Is(err, cause) {
		t.Errorf("Dial without time = %v, want %v", err, cause)
	}
}

// A file has the same stamp until it is another.
func TestStamp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	stamp := func(size int, at time.Time) string {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		s, err := vmm.Stamp(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	now := time.Now()
	first := stamp(1, now)
	if stamp(1, now) != first || stamp(2, now) == first || stamp(1, now.Add(time.Nanosecond)) == first {
		t.Error("the stamp does not tell files apart, or does the same one")
	}
	if _, err := vmm.Stamp(path + "x"); err == nil {
		t.Error("a file that is missing has a stamp")
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
