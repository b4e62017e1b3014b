package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
)

// saved is what the file with the state has. The file with the memory has all that QEMU needs.
type saved struct {
	Machine  fcapi.Machine
	Drives   []fcapi.Drive
	Networks []fcapi.NetworkInterface
	Entropy  bool
	Vsock    *fcapi.Vsock
	Open     bool // somebody listened inside
}

func (p *process) createSnapshot(f fcapi.SnapshotFiles) error {
	if p.state != paused {
		return errors.New("create snapshot: the microVM is not paused")
	}
	if f.Type == "Diff" {
		return errors.New("create snapshot: diff snapshots are not played here")
	}
	memory, err := os.Create(f.Memory)
	if err != nil {
		return fmt.Errorf("create snapshot: memory file: %w", err)
	}
	defer memory.Close()
	if err := p.qemu.monitor.migrate("migrate", memory); err != nil {
		return fmt.Errorf("create snapshot: %w", err)
	}
	s := saved{Machine: p.machine, Drives: p.drives, Networks: p.networks, Entropy: p.entropy}
	if p.vsock != nil {
		p.vsock.mu.Lock()
		s.Vsock, s.Open = &fcapi.Vsock{CID: p.vsock.cid, Path: p.vsock.path}, p.vsock.open
		p.vsock.mu.Unlock()
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(f.State, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("create snapshot: state file: %w", err)
	}
	return nil
}

func (p *process) loadSnapshot(s fcapi.Snapshot) error {
	if p.configured {
		return errors.New("load snapshot: it is not allowed after configuring boot-specific resources")
	}
	if err := p.restore(s); err != nil {
		return fatalError{fmt.Errorf("load snapshot: %w", err)}
	}
	return nil
}

func (p *process) restore(s fcapi.Snapshot) error {
	if s.Memory.Type != "File" {
		return errors.New("page faults are not played here")
	}
	text, err := os.ReadFile(s.State)
	if err != nil {
		return err
	}
	var was saved
	if err := json.Unmarshal(text, &was); err != nil {
		return fmt.Errorf("the state is damaged: %w", err)
	}
	for _, o := range s.Network {
		n := slices.IndexFunc(was.Networks, func(n fcapi.NetworkInterface) bool { return n.ID == o.ID })
		if n < 0 {
			return fmt.Errorf("there is no network device %q", o.ID)
		}
		was.Networks[n].Tap = o.Tap
	}
	if s.Vsock != nil && was.Vsock != nil {
		was.Vsock.Path = s.Vsock.Path
	}
	p.machine, p.entropy = was.Machine, was.Entropy
	for _, d := range was.Drives {
		if err := p.setDrive(d); err != nil {
			return err
		}
	}
	for _, n := range was.Networks {
		if err := p.setNetwork(n); err != nil {
			return err
		}
	}
	if v := was.Vsock; v != nil {
		if err := p.listen(v.CID, v.Path); err != nil {
			return err
		}
		p.vsock.setOpen(was.Open)
	}
	memory, err := os.Open(s.Memory.Path)
	if err != nil {
		return err
	}
	defer memory.Close()
	if err := p.launch([]string{"-incoming", "defer"}); err != nil {
		return err
	}
	if err := p.qemu.monitor.migrate("migrate-incoming", memory); err != nil {
		return err
	}
	p.state = paused
	if s.Resume {
		if err := p.qemu.monitor.run("cont", nil); err != nil {
			return err
		}
		p.state = running
	}
	return nil
}
