package microvm_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// startStandin starts an agent, ends it, and returns the machine that it had.
func startStandin(t *testing.T, d *microvm.Driver, v *standin) vmm.Machine {
	t.Helper()
	i, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1", Bootstrap: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	microvmtest.Destroy(t, i)
	return v.last()
}

// Whatever keeps machines from going on from a snapshot, they boot then, and the next one has another snapshot.
func TestSnapshotFails(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{faultCommand, faultBoot, faultSilent, faultEnds, "its directory is gone"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			v := &standin{features: vmm.Features{Snapshots: true}}
			dir := filepath.Join(t.TempDir(), "state")
			d := newStandin(t, v, microvm.Config{Dir: dir, Snapshots: dir, StartTimeout: 5 * time.Second})
			old := startStandin(t, d, v).Snapshot
			if found := snapshotsIn(t, dir); len(found) != 1 || found[0] != old {
				t.Fatalf("snapshots: %q, and the machine is from %q", found, old)
			}
			v.setFault(fault)
			if fault == "its directory is gone" {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			if m := startStandin(t, d, v); m.Snapshot != "" {
				t.Errorf("it goes on from %s", m.Snapshot)
			}
			if !v.wasForgotten(old) {
				t.Error("the snapshot is not forgotten")
			}
			if found := snapshotsIn(t, dir); len(found) != 0 {
				t.Errorf("left: %q", found)
			}
			v.setFault("")
			if m := startStandin(t, d, v); m.Snapshot == "" || m.Snapshot == old {
				t.Errorf("it goes on from %q, want a new snapshot", m.Snapshot)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 {
				t.Errorf("left: %v, %v, want the snapshot", entries, err)
			}
		})
	}
}

// Snapshots that are never of use are not made for ever.
func TestSnapshotsFail(t *testing.T) {
	t.Parallel()
	v := &standin{features: vmm.Features{Snapshots: true}, fault: faultBoot}
	dir := filepath.Join(t.TempDir(), "state")
	d := newStandin(t, v, microvm.Config{Dir: dir, Snapshots: dir})
	for range 5 {
		startStandin(t, d, v)
	}
	if made := len(v.forgotten); made != 3 {
		t.Errorf("%d snapshots were made, want 3", made)
	}
}

// A start for which there is no time any more says nothing about a snapshot.
func TestSnapshotOutlivesHaste(t *testing.T) {
	t.Parallel()
	v := &standin{features: vmm.Features{Snapshots: true}}
	dir := filepath.Join(t.TempDir(), "state")
	d := newStandin(t, v, microvm.Config{Dir: dir, Snapshots: dir})
	old := startStandin(t, d, v).Snapshot
	v.setFault(faultSilent)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := d.Start(ctx, sandbox.Spec{ID: "agent1", Bootstrap: []byte("{}")}); !errors.Is(err, ctx.Err()) {
		t.Errorf("Start = %v, want %v", err, ctx.Err())
	}
	v.setFault("")
	if m := startStandin(t, d, v); m.Snapshot != old {
		t.Errorf("it goes on from %q, want %q", m.Snapshot, old)
	}
}

// A snapshot is for one program, and goes when there is another; what else is in its directory stays.
func TestSnapshotOfAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	c := microvm.Config{Dir: dir, Snapshots: dir}
	v := &standin{features: vmm.Features{Snapshots: true}, fingerprint: "one"}
	d := newStandin(t, v, c)
	old := startStandin(t, d, v).Snapshot
	v.fingerprint = "two"
	initrd := filepath.Join(dir, "initrd.img")
	if err := os.WriteFile(initrd, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("Sweep = %d, %v", n, err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the snapshot of another program is left")
	}
	if _, err := os.Stat(initrd); err != nil {
		t.Error(err)
	}
}
