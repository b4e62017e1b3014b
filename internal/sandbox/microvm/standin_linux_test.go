package microvm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// standin is a VMM whose machines are processes that wait, with an init that is in this process.
type standin struct {
	features    vmm.Features
	fingerprint string
	script      string            // what a machine's process does; empty waits
	mute        bool              // no init is ever there
	met         func(*guest.Node) // if not nil it is told of each session

	mu        sync.Mutex
	fault     string // what goes wrong with machines that go on from a snapshot; empty: nothing
	inits     map[string]*standinInit
	booted    []vmm.Machine
	rates     []ratesSet
	forgotten []string
	nodes     sync.WaitGroup
}

// ratesSet is a call of SetRates.
type ratesSet struct{ was, is vmm.Rates }

// What goes wrong with machines that go on from a snapshot.
const (
	faultCommand = "there is no process"
	faultBoot    = "it does not boot"
	faultSilent  = "its init is silent"
	faultEnds    = "its process ends"
)

var errFault = errors.New("it has the fault of the test")

// newStandin makes a driver with a stand-in.
func newStandin(t *testing.T, v *standin, c microvm.Config) *microvm.Driver {
	t.Helper()
	v.inits = map[string]*standinInit{}
	dir := t.TempDir()
	c.VMM, c.Kernel, c.Rootfs = v, filepath.Join(dir, "kernel"), filepath.Join(dir, "rootfs")
	if err := os.WriteFile(c.Kernel, append(append(make([]byte, 0x202), "HdrS"...), make([]byte, 4096)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ext4.MakeEmpty(c.Rootfs, ext4.MinSize); err != nil {
		t.Fatal(err)
	}
	if c.Dir == "" {
		c.Dir = filepath.Join(t.TempDir(), "state")
	}
	c.DiskBytes = ext4.MinSize
	d, err := microvm.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.nodes.Wait) // they end with their sessions
	return d
}

// has reports whether a machine has a fault.
func (v *standin) has(m vmm.Machine, fault string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return m.Snapshot != "" && v.fault == fault
}

func (v *standin) setFault(fault string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fault = fault
}

// last is the machine that was booted last.
func (v *standin) last() vmm.Machine {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.booted[len(v.booted)-1]
}

func (v *standin) wasForgotten(dir string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Contains(v.forgotten, dir)
}

func (*standin) Name() string                                  { return "standin" }
func (v *standin) Features() vmm.Features                      { return v.features }
func (v *standin) Fingerprint(context.Context) (string, error) { return v.fingerprint, nil }
func (*standin) Check(context.Context) error                   { return nil }

func (v *standin) Command(m vmm.Machine) (*exec.Cmd, error) {
	switch {
	case v.has(m, faultCommand):
		return nil, errFault
	case v.has(m, faultEnds):
		return exec.Command("/bin/false"), nil
	case v.script != "":
		return exec.Command("/bin/sh", "-c", v.script), nil
	}
	return exec.Command("/bin/sleep", "1000000"), nil
}

func (v *standin) Boot(_ context.Context, m vmm.Machine) error {
	if v.has(m, faultBoot) {
		return errFault
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.booted = append(v.booted, m)
	return nil
}

func (v *standin) Dial(_ context.Context, m vmm.Machine) (net.Conn, error) {
	if v.mute || v.has(m, faultSilent) || v.has(m, faultEnds) {
		return nil, errFault
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	init := v.inits[m.ID]
	if init == nil {
		init = &standinInit{}
		v.inits[m.ID] = init
	}
	here, there := net.Pipe()
	v.nodes.Go(func() {
		n, err := guest.Accept(there, init)
		if err == nil {
			if v.met != nil {
				v.met(n)
			}
			<-n.Done()
		}
	})
	return here, nil
}

// Complaint is the last line.
func (*standin) Complaint(stderr []byte) string {
	said := bytes.TrimSpace(stderr)
	return string(said[bytes.LastIndexByte(said, '\n')+1:])
}

func (v *standin) SetRates(_ context.Context, m vmm.Machine, r vmm.Rates) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rates = append(v.rates, ratesSet{m.Rates, r})
	return nil
}

func (*standin) Snapshot(_ context.Context, m vmm.Machine, dir string) error {
	return os.WriteFile(filepath.Join(dir, "state"), []byte(m.ID), 0o600)
}

func (v *standin) Forget(dir string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forgotten = append(v.forgotten, dir)
}

// standinInit is an init whose agent does nothing.
type standinInit struct {
	mu     sync.Mutex
	booted guest.State
}

func (i *standinInit) Boot(b guest.Boot) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.booted = guest.State{ID: b.ID, Booted: true}
	return nil
}

func (i *standinInit) State() guest.State {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.booted
}

func (*standinInit) Stage(name string, _ int64, r io.Reader) (string, error) {
	_, err := io.Copy(io.Discard, r)
	return guest.StagedDir + "/" + name, err
}

func (*standinInit) Configure(guest.Limits) error { return nil }

// snapshotsIn are the paths of the snapshots in a directory.
func snapshotsIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "snapshot-") {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found
}
