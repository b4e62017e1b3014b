package firstboot_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/rootfs"
	"github.com/nex-engine/nex/internal/rootfs/firstboot"
)

// rig is what a build takes.
type rig struct {
	firstboot.Config
	output bytes.Buffer
	image  rootfs.Config
}

// built is the init, which all tests share.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "firstboot")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		built = filepath.Join(dir, "nex-init")
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", built, "./cmd/nex-init")
		cmd.Dir, cmd.Env = nextest.Root(), append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

func newRig(t *testing.T, script string) *rig {
	t.Helper()
	modules, _ := filepath.Glob(filepath.Join(nextest.Root(), "bin", "kernel", "modules", "*"))
	if len(modules) != 1 {
		t.Fatal("there is no kernel: run scripts/kernel bin/kernel")
	}
	dir := t.TempDir()
	r := &rig{}
	r.Config = firstboot.Config{
		Script: filepath.Join(dir, "script"), Init: built, Kernel: filepath.Join(nextest.Root(), "bin", "kernel", "vmlinuz"),
		Modules: modules[0], Timeout: 3 * time.Minute, Output: &r.output,
	}
	r.image = rootfs.Config{
		Agent: built, Init: built, Base: filepath.Join(nextest.Root(), "bin", "debian.tar"),
		Size: 400 << 20, Output: filepath.Join(dir, "rootfs.ext4"),
	}
	if err := os.WriteFile(r.Script, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// build builds, with the script as a part of it.
func (r *rig) build(t *testing.T) (rootfs.Result, error) {
	t.Helper()
	m, err := firstboot.New(t.Context(), r.Config)
	if err != nil {
		t.Fatal(err)
	}
	r.image.Change = m.Change
	return rootfs.Build(t.Context(), r.image)
}

// inspect asks the tool of ext4's authors something of an image.
func inspect(t *testing.T, image, request string) string {
	t.Helper()
	out, err := exec.Command("/usr/sbin/debugfs", "-R", request, image).CombinedOutput()
	if err != nil {
		t.Fatalf("debugfs: %v\n%s", err, out)
	}
	return string(out)
}

func TestScript(t *testing.T) {
	// What listens here is reached by way of QEMU.
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = io.WriteString(conn, "reached\n")
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r := newRig(t, `#!/bin/bash -eu
cat </dev/tcp/10.0.2.2/`+port+`
id -u
cat /proc/uptime >/dev/null
echo "year $(date +%Y)"
cat /etc/resolv.conf
test ! -t 1
umask 022
mkdir -p /opt/tool
dd if=/dev/urandom of=/opt/tool/data bs=1M count=20 2>/dev/null
echo left >/opt/tool/name
ln -s tool /opt/link
echo lost >/tmp/lost
echo lost >/run/lost
rm /etc/nsswitch.conf
sleep 1000 &
printf 'no end' >&2
`)
	begin := time.Now()
	built, err := r.build(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.output.String())
	}
	t.Logf("built in %v", time.Since(begin))
	want := "reached\n0\nyear " + time.Now().UTC().Format("2006") + "\nnameserver 10.0.2.3\nno end\n"
	if got := r.output.String(); got != want {
		t.Errorf("the output is %q, want %q", got, want)
	}
	if out, err := exec.Command("/usr/sbin/e2fsck", "-fn", built.Path).CombinedOutput(); err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
	if state := inspect(t, built.Path, "stats -h"); !strings.Contains(state, "Filesystem state:         clean") {
		t.Errorf("it was not left in order:\n%s", state)
	}
	if got := inspect(t, built.Path, "cat /opt/tool/name"); !strings.HasSuffix(got, "left\n") {
		t.Errorf("/opt/tool/name is %q", got)
	}
	for _, gone := range []string{"/tmp/lost", "/run/lost", "/run/nex-script", "/etc/nsswitch.conf", "/dev/null", "/proc/uptime"} {
		if got := inspect(t, built.Path, "stat "+gone); !strings.Contains(got, "File not found") {
			t.Errorf("there is %s: %s", gone, got)
		}
	}
	if got := inspect(t, built.Path, "stat /etc/resolv.conf"); !strings.Contains(got, "Size: 0") {
		t.Errorf("the resolv.conf of the machine has stayed: %s", got)
	}
	if before := unchanged(t, r.image); built.Used < before+20<<20 || built.Used > built.Size {
		t.Errorf("used = %d of %d, and without the script %d", built.Used, built.Size, before)
	}
}

// unchanged is how much is used without a script.
func unchanged(t *testing.T, c rootfs.Config) int64 {
	t.Helper()
	c.Change = nil
	r, err := rootfs.Build(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r.Used
}

func TestFailure(t *testing.T) {
	r := newRig(t, "#!/bin/sh\necho before\nexit 7\n")
	_, err := r.build(t)
	if err == nil || !strings.HasSuffix(err.Error(), "the script ended with exit status 7") {
		t.Errorf("error = %v", err)
	}
	if got := r.output.String(); got != "before\n" {
		t.Errorf("output = %q", got)
	}
	if _, err := os.Stat(r.image.Output); err == nil {
		t.Error("there is an image nevertheless")
	}
}

// A file system that nobody can use takes no image to refuse, and the machine says why.
func TestNotRun(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := ext4.MakeEmpty(disk, ext4.MinSize); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "#!/bin/sh\n")
	m, err := firstboot.New(t.Context(), r.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Change(t.Context(), disk); err == nil || !strings.Contains(err.Error(), "has an interpreter that the root file system has not") {
		t.Errorf("error = %v", err)
	}
	if got := r.output.String(); got != "" {
		t.Errorf("output = %q", got)
	}
}

func TestTimeout(t *testing.T) {
	r := newRig(t, "#!/bin/sh\n")
	r.Timeout = 300 * time.Millisecond // less than a kernel takes
	disk := filepath.Join(t.TempDir(), "disk")
	if err := ext4.MakeEmpty(disk, ext4.MinSize); err != nil {
		t.Fatal(err)
	}
	m, err := firstboot.New(t.Context(), r.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Change(t.Context(), disk); err == nil || !strings.Contains(err.Error(), "not ended within 300ms") {
		t.Errorf("error = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Change(ctx, disk); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("error = %v", err)
	}
}

// What is missing is said before anything is built.
func TestRefused(t *testing.T) {
	for says, change := range map[string]func(*rig){
		"no kernel for it: name one with --kernel": func(r *rig) { r.Kernel = "" },
		"its kernel cannot be read":                func(r *rig) { r.Kernel = "/none" },
		"it is no kernel":                          func(r *rig) { r.Kernel = r.Script },
		"its --modules cannot be used":             func(r *rig) { r.Modules = "/none" },
		"the script cannot be used: stat /none":    func(r *rig) { r.Script = "/none" },
		"is a directory":                           func(r *rig) { r.Script = "/" },
		"has 0 bytes":                              func(r *rig) { _ = os.Truncate(r.Script, 0) },
		"less than nothing":                        func(r *rig) { r.Timeout = -1 },
		"none can run here: QEMU":                  func(*rig) { t.Setenv("PATH", "/none") },
	} {
		r := newRig(t, "#!/bin/sh\n")
		path := os.Getenv("PATH")
		change(r)
		if _, err := firstboot.New(t.Context(), r.Config); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error = %v, want %q", err, says)
		}
		t.Setenv("PATH", path)
	}
}
