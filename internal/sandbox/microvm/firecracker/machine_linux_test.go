package firecracker_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// nobody is a user without rights.
var nobody = &vmm.User{UID: 65534, GID: 65534}

// forms are the ways to start Firecracker.
var forms = []struct {
	name     string
	unjailed bool
	user     *vmm.User
}{{"jailed", false, nobody}, {"unjailed", true, nil}}

func newVMM(t *testing.T, unjailed bool) *firecracker.Firecracker {
	t.Helper()
	c := programs()
	c.Unjailed = unjailed
	f, err := firecracker.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A machine boots, is reached, and ends; from its snapshot others go on.
func TestMachine(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			f := newVMM(t, form.unjailed)
			m := newMachine(t, f, form.user)
			m.Rates.Bandwidth = &sandbox.Rate{Size: 10 << 20, Refill: time.Second}
			began := time.Now()
			p := boot(t, f, m)
			g := p.dial(t, f, m)
			t.Logf("booted and reached in %v", time.Since(began))
			checkInside(t, g)
			if err := f.SetRates(p.ctx, m, vmm.Rates{IOPS: &sandbox.Rate{Size: 1000, Refill: time.Second}}); err != nil {
				t.Error(err)
			}
			if got := g.ask(t, "write /dev/vdb WRITTEN!"); got != "written" {
				t.Errorf("write to the disk: %s", got)
			}
			if got, err := os.ReadFile(m.Disks[1].Path); err != nil || string(got[:8]) != "WRITTEN!" {
				t.Errorf("the disk begins with %q (%v)", got[:8], err)
			}

			// The next node process connects anew.
			g.Close()
			g = p.dial(t, newVMM(t, form.unjailed), m)
			if got := g.ask(t, "count"); got != "1" {
				t.Errorf("count is %s", got)
			}
			g.Close()

			dir := t.TempDir()
			began = time.Now()
			if err := f.Snapshot(p.ctx, m, dir); err != nil {
				t.Fatal(err)
			}
			t.Logf("snapshot in %v", time.Since(began))
			p.kill()
			checkSnapshot(t, dir)
			for range 2 {
				next := newMachine(t, f, form.user)
				next.Snapshot, next.Kernel, next.Initrd = dir, "", ""
				began := time.Now()
				p := boot(t, f, next)
				g := p.dial(t, f, next)
				t.Logf("restored and reached in %v", time.Since(began))
				if got := g.ask(t, "count"); got != "2" {
					t.Errorf("in a machine of the snapshot count is %s", got)
				}
				if got := g.ask(t, "write /dev/vdb RESTORED"); got != "written" {
					t.Errorf("write to the disk: %s", got)
				}
				if got, err := os.ReadFile(next.Disks[1].Path); err != nil || string(got[:8]) != "RESTORED" {
					t.Errorf("the disk begins with %q (%v)", got[:8], err)
				}
				if _, err := io.WriteString(g, "end\n"); err != nil {
					t.Error(err)
				}
				if err := p.await(t); err != nil {
					t.Errorf("the process of a machine that was ended from inside: %v", err)
				}
				if err := os.RemoveAll(next.Dir); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func checkInside(t *testing.T, g *guest) {
	t.Helper()
	line := g.ask(t, "file /proc/cmdline")
	for _, word := range []string{"console=ttyS0", "reboot=k", "nex.test=1", "root=/dev/vda"} {
		if !strings.Contains(line, word) {
			t.Errorf("the command line is %q, without %s", line, word)
		}
	}
	for question, want := range map[string]string{
		"head /dev/vda": "ROOTDISK", "head /dev/vdb": "OVERLAY-",
		"file /sys/block/vda/ro": "1", "file /sys/block/vdb/ro": "0", "file /sys/block/vdb/size": "2048",
	} {
		if got := g.ask(t, question); got != want {
			t.Errorf("%s: %q, want %q", question, got, want)
		}
	}
}

func checkSnapshot(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o022 != 0 || !info.Mode().IsRegular() {
			t.Errorf("%s of the snapshot has mode %v", e.Name(), info.Mode())
		}
	}
	if len(entries) != 3 {
		t.Errorf("the snapshot is %v", entries)
	}
}

// What the guest says at its console is on standard output, and a machine that crashes ends its process.
func TestCrash(t *testing.T) {
	t.Parallel()
	f := newVMM(t, true)
	m := newMachine(t, f, nil)
	p := boot(t, f, m)
	g := p.dial(t, f, m)
	if !strings.Contains(p.said.String(), "guest: hello") {
		t.Errorf("the console says %q", p.said)
	}
	if _, err := io.WriteString(g, "crash\n"); err != nil {
		t.Fatal(err)
	}
	_ = p.await(t) // how it ends is Firecracker's
	if !strings.Contains(p.said.String(), "Kernel panic") {
		t.Errorf("the console says %q", p.said)
	}
}

// A process that ends before it has an API is not waited for.
func TestBootOfAProcessThatEnds(t *testing.T) {
	t.Parallel()
	f := newVMM(t, true)
	m := newMachine(t, f, nil)
	if err := os.WriteFile(filepath.Join(m.Dir, "api.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, f, m)
	if err := f.Boot(p.ctx, m); err == nil {
		t.Error("it boots")
	}
	if err := p.await(t); err == nil {
		t.Error("its process ends without an error")
	}
	stderr, err := os.ReadFile(p.stderr)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Complaint(stderr); !strings.Contains(got, "api.sock") {
		t.Errorf("the complaint is %q", got)
	}
}

// The socket may come late.
func TestBootWaitsForTheAPI(t *testing.T) {
	t.Parallel()
	f := newVMM(t, true)
	m := newMachine(t, f, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := f.Boot(ctx, m); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("without a process Boot says %v", err)
	}
}
