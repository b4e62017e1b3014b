package microvm_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/image"
	unpack "github.com/nex-engine/nex/internal/image/rootfs"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/rootfs"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
)

// debian unpacks an image of Debian, and returns its root.
func debian(t *testing.T) string {
	t.Helper()
	layer, err := os.Open(filepath.Join(nextest.Root(), "bin", "debian.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer layer.Close()
	dir := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	u := unpack.NewUnpacker(root, unpack.Limits{Bytes: image.DefaultMaxImageBytes, Files: image.DefaultMaxFiles})
	defer u.Close()
	if err := u.Apply(t.Context(), layer); err != nil {
		t.Fatal(err)
	}
	return dir
}

// agentRootfs is a root file system with the real agent.
func agentRootfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := nextest.BuildAgent(dir); err != nil {
		t.Fatal(err)
	}
	r, err := rootfs.Build(t.Context(), rootfs.Config{
		Agent: filepath.Join(dir, "nex-agent"), Init: microvmtest.Part("nex-init"), Output: filepath.Join(dir, "rootfs.ext4"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Path
}

// runImage runs a program of an image, and returns what it prints and how it ends.
func runImage(t *testing.T, d microvmtest.Driver, id, root string, run agentlink.Image) (string, nex.Exit) {
	t.Helper()
	host, err := linkhost.Start(linkhost.Config{NodeID: "node"})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	link, err := host.Admit(id)
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	ctx, cancel := context.WithTimeout(t.Context(), microvmtest.Patience)
	defer cancel()
	begin := time.Now()
	i, err := d.Start(ctx, sandbox.Spec{
		ID: id, Network: true, Rootfs: root, LinkDir: link.Dir(), Bootstrap: link.Bootstrap(d.Capabilities().LinkDir, false),
		Log: func(line string) { t.Logf("agent: %s", line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer microvmtest.Destroy(t, i)
	if _, err := link.Handshake(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("start of %s: %v", id, time.Since(begin))
	var said bytes.Buffer
	exited := make(chan nex.Exit, 1)
	reply, err := link.Deploy(ctx, agentlink.Deploy{
		WorkloadID: "workload", Name: "name", Namespace: "default", Type: nex.TypeOCI, Image: &run,
	}, linkhost.Events{
		Logs: func(list []nex.LogRecord, _ bool) {
			for _, r := range list {
				fmt.Fprintln(&said, r.Text)
			}
		},
		Exited: func(e nex.Exit) bool { exited <- e; return true },
		Usage:  func(agentlink.Usage) {},
	})
	if err != nil || reply.Error != "" {
		t.Fatalf("deploy: %v %s", err, reply.Error)
	}
	select {
	case e := <-exited:
		return said.String(), e
	case <-ctx.Done():
		t.Fatalf("the program does not end; it said %s", said.String())
		return "", nex.Exit{}
	}
}

// attempts are what no program of an image can do, though it is root, and what each can.
const attempts = `
try() { if sh -c "$2" >/dev/null 2>&1; then echo "$1 can"; else echo "$1 cannot"; fi; }
echo "debian $(cat /etc/debian_version)"
id
pwd
grep -E '^(Cap...|NoNewPrivs):' /proc/self/status | tr -d '\t' | sort -u
echo "devices $(ls /dev | tr '\n' ' ')"
try write-root 'echo x >/file && cat /file'
try write-etc 'echo x >/etc/file'
try write-tmp 'echo x >/tmp/file'
try write-null 'echo x >/dev/null'
try read-disk 'head -c1 /dev/vdb /run/nex/own/dev/vdb'
try list-own 'ls /run/nex/own'
try list-link 'ls /run/nex/link'
try move-nex 'mv /run/nex /run/other'
try move-link 'mv /run/nex/link /run/other'
try change-nex 'echo x >/usr/lib/nex/nex-agent || rm /usr/lib/nex/nex-agent'
try set-pattern 'echo "|/file" >/proc/sys/kernel/core_pattern'
try send-request 'echo x >/proc/sysrq-trigger'
try set-limit 'echo max >/sys/fs/cgroup/agent/memory.max'
try leave-group 'echo $$ >/sys/fs/cgroup/cgroup.procs'
try make-device 'mknod /tmp/disk b 254 16'
try mount 'mount -t tmpfs none /mnt'
try read-init 'ls -l /proc/1/fd/ && cat /proc/1/environ'
try read-limit 'cat /sys/fs/cgroup/agent/memory.max'
`

// The root of a container image is that of the machine, for programs of any user of it, and no machine changes it.
func TestImage(t *testing.T) {
	t.Parallel()
	if !nextest.Sandboxed() {
		t.Skip("only root can give a sandbox a network")
	}
	dir := filepath.Join(t.TempDir(), "state")
	d, _ := rig.Isolated(t, "mvi", microvm.Config{Dir: dir, Rootfs: agentRootfs(t)})
	if !d.Capabilities().Images {
		t.Error("the driver says that it runs no images")
	}
	root := debian(t)
	if err := os.Chmod(root, 0o777|os.ModeSticky); err != nil { // what is said about the root itself counts, too
		t.Fatal(err)
	}
	var disks []os.FileInfo
	for _, user := range []uint32{0, 1000} {
		said, exit := runImage(t, d, fmt.Sprintf("image%d", user), root, agentlink.Image{
			Command: []string{"/bin/sh", "-c", attempts}, Environment: []string{"PATH=/usr/bin:/bin"}, Dir: "/srv", UID: user, GID: user,
		})
		if !exit.Success() {
			t.Errorf("as user %d: it ended with %s", user, exit)
		}
		can := map[bool]string{true: "can", false: "cannot"}
		want := []string{
			"\nwrite-etc " + can[user == 0] + "\n", "debian ", fmt.Sprintf("uid=%[1]d", user), "/srv\n", "CapEff:0000000000000000\n", "CapBnd:0000000000000000\n", "NoNewPrivs:1\n",
			"devices fd full null ptmx pts random shm stderr stdin stdout tty urandom zero \n",
			"write-root can\n", "write-tmp can\n", "write-null can\n", "read-limit can\n",
		}
		for _, name := range []string{
			"read-disk", "list-own", "list-link", "move-nex", "move-link", "change-nex", "set-pattern", "send-request", "set-limit",
			"leave-group", "make-device", "mount", "read-init",
		} {
			want = append(want, "\n"+name+" cannot\n")
		}
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("as user %d: %q is not in what it said", user, w)
			}
		}
		t.Log(said)
		if _, err := os.Stat(filepath.Join(root, "file")); err == nil {
			t.Error("the machine has changed the image")
		}
		made, _ := filepath.Glob(filepath.Join(dir, "*", "disk"))
		if len(made) != 1 {
			t.Fatalf("there are %q, want the disk of the image", made)
		}
		info, err := os.Stat(made[0])
		if err != nil {
			t.Fatal(err)
		}
		disks = append(disks, info)
	}
	if !os.SameFile(disks[0], disks[1]) {
		t.Error("the second machine has a disk of its own")
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	microvmtest.WantNothing(t, dir)
}

// An image that no machine can have as its root is refused, and nothing is left of it.
func TestImageRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	d := rig.Driver(t, microvm.Config{Dir: dir, Snapshots: microvmtest.NoSnapshots})
	for want, prepare := range map[string]func(root string) error{
		"no such file":                os.Remove,
		"is no directory":             func(root string) error { os.Remove(root); return os.WriteFile(root, nil, 0o600) },
		"a file or link /proc, where": func(root string) error { return os.Symlink("/", filepath.Join(root, "proc")) },
		"a file or link /usr, where":  func(root string) error { return os.WriteFile(filepath.Join(root, "usr"), nil, 0o600) },
		"a file or link /usr/lib/nex, whe": func(root string) error {
			if err := os.MkdirAll(filepath.Join(root, "usr/lib"), 0o700); err != nil {
				return err
			}
			return os.Symlink("/run", filepath.Join(root, "usr/lib/nex"))
		},
	} {
		root := t.TempDir()
		if err := prepare(root); err != nil {
			t.Fatal(err)
		}
		i, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1", Rootfs: root})
		if err == nil {
			microvmtest.Destroy(t, i)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start = %v, want %q in it", err, want)
		}
		microvmtest.WantNothing(t, dir)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Start(ctx, sandbox.Spec{ID: "agent1", Rootfs: t.TempDir()}); err == nil {
		t.Error("Start succeeds after its time")
	}
	microvmtest.WantNothing(t, dir)
}

// What an earlier node was making, or has made of what is gone now, is swept; what is not the driver's stays.
func TestSweepImages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := rig.Driver(t, microvm.Config{Dir: dir})
	for _, name := range []string{"making-1", "image-gone", "image-half", "other-thing"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "image-gone", "of")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "other-thing" {
		t.Errorf("left = %v, %v, want what is not the driver's", left, err)
	}
}

// What is left of another image, and cannot be removed, keeps no machine from starting.
func TestImageBesideOneThatStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stays := filepath.Join(dir, "image-gone", "full")
	if err := os.MkdirAll(stays, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // no permissions bind it
		if err := unix.Mount("nex-test", stays, "tmpfs", 0, "size=8k"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(stays, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	} else {
		if err := os.WriteFile(filepath.Join(stays, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(stays, 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(stays, 0o700) }) // or t fails to remove it
	}
	var log bytes.Buffer
	d := newStandin(t, &standin{}, microvm.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	i, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1", Rootfs: t.TempDir(), Bootstrap: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	microvmtest.Destroy(t, i)
	if !strings.Contains(log.String(), "a disk of an image that is gone cannot be removed") {
		t.Errorf("the log does not tell of what stays: %s", log.String())
	}
}
