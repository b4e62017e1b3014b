package firecracker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// shape is what must be the same for every machine of a snapshot. It is kept beside it.
type shape struct {
	MemoryBytes int64  `json:"memory_bytes"`
	CPUs        int    `json:"cpus"`
	Disks       []bool `json:"disks"` // which of them are read-only
	Network     bool   `json:"network"`
}

func shapeOf(m vmm.Machine) shape {
	s := shape{MemoryBytes: m.MemoryBytes, CPUs: m.CPUs, Disks: []bool{}, Network: m.Network != nil}
	for _, d := range m.Disks {
		s.Disks = append(s.Disks, d.ReadOnly)
	}
	return s
}

// Snapshot implements [vmm.VMM].
func (f *Firecracker) Snapshot(ctx context.Context, m vmm.Machine, dir string) error {
	c := f.api(m)
	defer c.Close()
	if err := c.Pause(ctx); err != nil {
		return err
	}
	if err := c.CreateSnapshot(ctx, fcapi.SnapshotFiles{State: stateName, Memory: memoryName}); err != nil {
		return err
	}
	for _, name := range []string{stateName, memoryName} {
		if err := move(filepath.Join(f.root(m), name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("keep the snapshot: %w", err)
		}
	}
	text, err := json.Marshal(shapeOf(m))
	if err != nil {
		return fmt.Errorf("keep the snapshot: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, shapeName), text, 0o600); err != nil {
		return fmt.Errorf("keep the snapshot: %w", err)
	}
	return nil
}

// Forget implements [vmm.VMM]: nothing is kept.
func (f *Firecracker) Forget(string) {}

// restore makes the machine from its snapshot, and lets it run.
func restore(ctx context.Context, c *fcapi.Client, m vmm.Machine, l limits) error {
	if err := fits(m); err != nil {
		return fmt.Errorf("go on from snapshot %s: %w", m.Snapshot, err)
	}
	s := fcapi.Snapshot{State: stateName, Memory: fcapi.MemoryBackend{Type: "File", Path: memoryName}}
	if m.Network != nil {
		s.Network = []fcapi.NetworkOverride{{ID: networkID, Tap: m.Network.Tap}}
	}
	// The other paths are the same in every root.
	if err := c.LoadSnapshot(ctx, s); err != nil {
		return err
	}
	if err := setLimits(ctx, c, m, l); err != nil {
		return err
	}
	return c.Resume(ctx)
}

// fits is an error for a machine that is not like its snapshot.
func fits(m vmm.Machine) error {
	text, err := os.ReadFile(filepath.Join(m.Snapshot, shapeName))
	if err != nil {
		return err
	}
	var is shape
	if err := json.Unmarshal(text, &is); err != nil {
		return fmt.Errorf("%s is damaged: %w", shapeName, err)
	}
	want, err := json.Marshal(shapeOf(m))
	if err != nil {
		return err
	}
	got, err := json.Marshal(is)
	if err != nil {
		return err
	}
	if string(got) != string(want) {
		return errors.New("the machine is to be " + string(want) + ", and the snapshot's was " + string(got))
	}
	return nil
}
