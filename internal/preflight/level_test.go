package preflight_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/preflight"
)

func TestLevels(t *testing.T) {
	t.Parallel()
	const refused = "runs no workloads at these levels, whatever is installed"
	g := preflight.Levels(true, "config.json")
	finding{name: "none"}.check(t, g)
	finding{"other-levels", refused, true}.check(t, g)

	g = preflight.Levels(false, "my.json")
	finding{"none", "set no_sandbox to true in my.json, or give --no-sandbox", false}.check(t, g)
	finding{"other-levels", refused, true}.check(t, g)
}

// What a kernel can do depends on the machine, but each answer must say what follows from it.
func TestGVisor(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	g := preflight.GVisor([]string{empty})
	finding{"runsc", "put it beside nex", true}.check(t, g)
	for _, name := range []string{"user-namespaces", "seccomp", "ptrace"} {
		got := find(t, g, name)
		if got.OK != (got.Do == "") || !got.Optional {
			t.Errorf("%s = %+v, want it optional, and to say what to do unless it is OK", name, got)
		}
	}

	dir := writeScript(t, "runsc", "true")
	got := finding{name: "runsc", optional: true}.check(t, preflight.GVisor([]string{empty, dir}))
	if want := filepath.Join(dir, "runsc"); got.Path != want {
		t.Errorf("path = %q, want %q", got.Path, want)
	}
}

func TestMicroVM(t *testing.T) {
	t.Parallel()
	dataDir := t.TempDir()
	c := config.Default()
	c.BinPath = []string{t.TempDir()}
	g := preflight.MicroVM(c, dataDir)
	finding{"vmm", "install Firecracker or QEMU", true}.check(t, g)
	finding{"kernel", "there is none", true}.check(t, g)
	finding{"rootfs", "there is none", true}.check(t, g)
	if got, want := find(t, g, "kernel").Path, filepath.Join(dataDir, "vmlinux"); got != want {
		t.Errorf("kernel = %q, want %q", got, want)
	}

	c.BinPath = []string{writeScript(t, "firecracker", "true")}
	c.DefaultResourceDir = t.TempDir()
	c.RootfsFilepath = write(t, filepath.Join(t.TempDir(), "my.ext4"), "content")
	write(t, filepath.Join(c.DefaultResourceDir, "vmlinux"), "")
	g = preflight.MicroVM(c, dataDir)
	finding{name: "vmm", optional: true}.check(t, g)
	finding{"kernel", "it is empty", true}.check(t, g)
	if got := (finding{name: "rootfs", optional: true}).check(t, g); got.Path != c.RootfsFilepath {
		t.Errorf("rootfs = %q, want %q", got.Path, c.RootfsFilepath)
	}

	c.RootfsFilepath = t.TempDir()
	finding{"rootfs", "it is not a file", true}.check(t, preflight.MicroVM(c, dataDir))
}

func TestKVM(t *testing.T) {
	t.Parallel()
	absent := filepath.Join(t.TempDir(), "kvm")
	if got := preflight.KVM(absent); got.OK || !got.Optional || got.Do == "" {
		t.Errorf("without a device: %+v, want it missing, optional, and what to do", got)
	}
	if got := preflight.KVM(write(t, absent, "")); got.OK || got.Do == "" {
		t.Errorf("with a file: %+v, want it not to work", got)
	}
	if got := preflight.KVM(os.DevNull); got.OK || got.Do == "" {
		t.Errorf("with another device: %+v, want it not to work", got)
	}
}
