package setup_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox/microvm/setup"
)

// kernel is as much of a bzImage as is looked at.
func kernel(text string) []byte {
	b := make([]byte, 0x400)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x200)
	return append(b, text...)
}

func TestCheckModules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image := filepath.Join(dir, "vmlinuz")
	write(t, image, string(kernel("6.1.0-56-cloud-amd64 (who@where) #1 SMP\x00")))
	none, empty := filepath.Join(dir, "none"), t.TempDir()
	for path, want := range map[string]string{
		none:  "there is no directory " + none + ": name the one with the modules of the kernel " + image + ", such as /lib/modules/VERSION",
		image: image + " is no directory: name the one",
		empty: empty + " has no module virtio_mmio: name the directory",
	} {
		if err := setup.CheckModules(image, path); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error = %v, want %q", path, err, want)
		}
		if _, err := setup.Initrd(image, path, image); err == nil || !strings.HasPrefix(err.Error(), "kernel_modules: ") {
			t.Errorf("%s: error = %v, want it to name the setting", path, err)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	far := kernel("6.1.0 ")
	binary.LittleEndian.PutUint16(far[0x20e:], 0xffff)
	silent := kernel("6.1.0 ")
	binary.LittleEndian.PutUint16(silent[0x20e:], 0)
	for name, tt := range map[string]struct {
		head []byte
		want string
	}{
		"a release":        {kernel("6.1.0-56-cloud-amd64 (who@where)"), "6.1.0-56-cloud-amd64"},
		"nothing more":     {kernel("6.1.0\x00"), "6.1.0"},
		"without an end":   {kernel(strings.Repeat("6", 200)), ""},
		"cut":              {kernel("6.1"), ""},
		"no text":          {kernel("6.\x01 "), ""},
		"far away":         {far, ""},
		"says none":        {silent, ""},
		"nothing":          {nil, ""},
		"some other form":  {append([]byte("\x7fELF"), make([]byte, 0x400)...), ""},
		"just the magic":   {kernel("")[:0x206], ""},
		"at its very end":  {kernel(""), ""},
		"an empty release": {kernel(" (who@where)"), ""},
	} {
		if got := setup.ReleaseOf(tt.head); got != tt.want {
			t.Errorf("%s: release = %q, want %q", name, got, tt.want)
		}
	}
}

// FuzzRelease: whatever is taken for a kernel, a word comes out of it, or nothing.
func FuzzRelease(f *testing.F) {
	f.Add(kernel("6.1.0-56-cloud-amd64 (who@where)"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if got := setup.ReleaseOf(head); len(got) > 128 || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("release = %q", got)
		}
	})
}
