package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/nex-engine/nex/internal/sandbox"
)

// killSignal is the name of the signal by which the kernel ends what takes too much memory.
const killSignal = "SIGKILL"

// unbounded is what cannot be bounded where programs are the machine's own.
const unbounded = "at level none a program writes wherever the node's user can and has the machine's own network, " +
	"so that disk, bandwidth and operations are not bounded: use a sandbox of another level"

// limitSet says which limits hold for agents in control groups of which some hold.
func limitSet(groups sandbox.LimitSet) sandbox.LimitSet {
	l := sandbox.LimitSet{Memory: groups.Memory, CPUs: groups.CPUs, PIDs: groups.PIDs}
	if !l.Memory || !l.CPUs || !l.PIDs {
		l.Missing = groups.Missing + "; "
	}
	noFiles := whyNoFileLimit()
	if l.OpenFiles = noFiles == ""; !l.OpenFiles {
		l.Missing += noFiles + "; "
	}
	l.Missing += unbounded
	return l
}

// check refuses the limits that are not up to the control group and do not hold.
func (d *Driver) check(l sandbox.Limits) error {
	switch {
	case l.OpenFiles < 0 || l.DiskBytes < 0:
		return errors.New("a limit is negative")
	case l.OpenFiles > 0 && !d.limits.OpenFiles, l.DiskBytes > 0, l.Bandwidth != nil, l.IOPS != nil:
		return fmt.Errorf("a limit does not hold here: %s", d.limits.Missing)
	}
	return nil
}

// Configure changes the limits of the control group; a limit of open files is given at the start for good.
func (i *instance) Configure(_ context.Context, s sandbox.Settings) error {
	i.limitsMu.Lock()
	defer i.limitsMu.Unlock()
	l := s.Limits
	if l.OpenFiles != i.limits.OpenFiles || l.DiskBytes != i.limits.DiskBytes || l.Bandwidth != nil || l.IOPS != nil {
		return fmt.Errorf("configure sandbox %s: open files, disk, bandwidth and operations cannot be changed while it runs", i.id)
	}
	if err := i.group.Set(l); err != nil {
		return fmt.Errorf("configure sandbox %s: %w", i.id, err)
	}
	if err := i.keep(l); err != nil {
		return fmt.Errorf("configure sandbox %s: %w", i.id, errors.Join(err, i.group.Set(i.limits)))
	}
	i.limits = l
	return nil
}
