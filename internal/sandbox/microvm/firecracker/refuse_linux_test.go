package firecracker_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// What Firecracker refuses Boot says in one sentence.
func TestBootIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		change     func(t *testing.T, m *vmm.Machine)
	}{
		{"no kernel", "start machine: firecracker says: start microvm: cannot load the kernel", func(t *testing.T, m *vmm.Machine) {
			m.Kernel = m.Disks[0].Path
		}},
		{"a tap that is none", "set network interface eth0: firecracker says: network config: open tap device failed", func(_ *testing.T, m *vmm.Machine) {
			m.Network = &vmm.NIC{Tap: "lo", MAC: "02:00:00:00:00:01"}
		}},
		{"socket taken", "set vsock: firecracker says", func(t *testing.T, m *vmm.Machine) {
			if err := os.WriteFile(filepath.Join(m.Dir, "v.sock"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"no snapshot", "go on from snapshot", func(t *testing.T, m *vmm.Machine) {
			m.Snapshot = t.TempDir()
			for _, name := range []string{"state", "memory"} {
				if err := os.WriteFile(filepath.Join(m.Snapshot, name), []byte("{"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newVMM(t, true)
			m := newMachine(t, f, nil)
			c.change(t, &m)
			p := start(t, f, m)
			if err := f.Boot(p.ctx, m); err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*vmm.Machine){
		"no processor":  func(m *vmm.Machine) { m.CPUs = 0 },
		"33 processors": func(m *vmm.Machine) { m.CPUs = 33 },
		"half a MiB":    func(m *vmm.Machine) { m.MemoryBytes = 1<<20 + 1<<19 },
		"no kernel":     func(m *vmm.Machine) { m.Kernel += "none" },
		"disk is a dir": func(m *vmm.Machine) { m.Disks[1].Path = m.Dir },
		"17 disks":      func(m *vmm.Machine) { m.Disks = make([]vmm.Disk, 17) },
		"no user":       func(m *vmm.Machine) { m.User = nil },
	} {
		f := newVMM(t, false)
		m := newMachine(t, f, nobody)
		change(&m)
		if _, err := f.Command(m); err == nil {
			t.Errorf("%s: there is a process for it", name)
		}
	}
}

// What the user of a process cannot read is told before there is a process.
func TestCommandRefusesSecrets(t *testing.T) {
	t.Parallel()
	f := newVMM(t, false)
	m := newMachine(t, f, nobody)
	m.Kernel = filepath.Join(filepath.Dir(m.Dir), "kernel")
	if err := os.WriteFile(m.Kernel, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Command(m); err == nil || !strings.Contains(err.Error(), m.Kernel+" cannot be read") || !strings.Contains(err.Error(), "chmod a+r") {
		t.Errorf("the error is %v", err)
	}
}

// A machine has the rates from its start on: each of two disks has half of them.
func TestBootSetsRates(t *testing.T) {
	t.Parallel()
	f := newVMM(t, true)
	m := vmm.Machine{
		ID: "m", Dir: t.TempDir(), Kernel: "kernel", MemoryBytes: 128 << 20, CPUs: 1, Disks: []vmm.Disk{{Path: "root"}, {Path: "own"}},
		Rates: vmm.Rates{IOPS: &sandbox.Rate{Size: 1000, Refill: time.Second}},
	}
	l, err := vmm.Listen(m.Dir, "api.sock")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := map[string]fcapi.Drive{}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, ok := strings.CutPrefix(r.URL.Path, "/drives/"); ok {
			var d fcapi.Drive
			if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
				t.Error(err)
			}
			mu.Lock()
			asked[id] = d
			mu.Unlock()
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	if err := f.Boot(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, id := range []string{"vda", "vdb"} {
		r := asked[id].Rates
		if r == nil || r.Operations == nil || r.Operations.Size != 1000 || r.Operations.RefillMillis != 2000 {
			t.Errorf("%s is bounded by %+v", id, r)
		}
	}
}

// Who can write to the root of a process cannot have the node connect to a socket elsewhere.
func TestDialFollowsNoLinks(t *testing.T) {
	t.Parallel()
	f := newVMM(t, true)
	m := newMachine(t, f, nil)
	elsewhere := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink(elsewhere, filepath.Join(m.Dir, "v.sock")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Dial(t.Context(), m); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("the error is %v", err)
	}
}

// The program that plays Firecracker knows what may come when.
func TestOrder(t *testing.T) {
	t.Parallel()
	f := newVMM(t, true)
	m := newMachine(t, f, nil)
	p := boot(t, f, m)
	c := client(t, m)
	for name, err := range map[string]error{
		"machine": c.SetMachine(p.ctx, fcapi.Machine{VCPUs: 1, MemoryMiB: 128}),
		"drive":   c.SetDrive(p.ctx, fcapi.Drive{ID: "vdc", Path: "vda"}),
		"start":   c.Start(p.ctx),
		"load":    c.LoadSnapshot(p.ctx, fcapi.Snapshot{State: "state", Memory: fcapi.MemoryBackend{Type: "File", Path: "memory"}}),
		"create":  c.CreateSnapshot(p.ctx, fcapi.SnapshotFiles{State: "state", Memory: "memory"}), // it is not paused
	} {
		var refused *fcapi.Error
		if !errors.As(err, &refused) || refused.Status != 400 {
			t.Errorf("%s after the start: %v", name, err)
		}
	}
	if i, err := c.Instance(p.ctx); err != nil || i.State != fcapi.Running || i.ID != m.ID {
		t.Errorf("the instance is %+v (%v)", i, err)
	}

	before := newMachine(t, f, nil)
	p = start(t, f, before)
	if err := f.Boot(canceled(p.ctx), before); err == nil {
		t.Error("it boots without time")
	}
}

func client(t *testing.T, m vmm.Machine) *fcapi.Client {
	c := fcapi.New(func(ctx context.Context) (net.Conn, error) {
		return vmm.Dial(ctx, m.Dir, "api.sock")
	})
	t.Cleanup(c.Close)
	return c
}

func canceled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}
