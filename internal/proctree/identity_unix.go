//go:build linux || darwin

package proctree

func identify(pid int) (Identity, error) {
	p, err := readProcess(pid)
	if err != nil {
		return Identity{}, err
	}
	boot, err := bootID()
	if err != nil {
		return Identity{}, err
	}
	return Identity{PID: pid, StartTime: p.start, BootID: boot}, nil
}

func (id Identity) running() bool {
	boot, err := bootID()
	return err == nil && boot == id.BootID && id.sameAndRunning()
}

// sameAndRunning is running without a look at the boot, for an identity read in this one.
func (id Identity) sameAndRunning() bool {
	p, err := readProcess(id.PID)
	return err == nil && !p.ended && p.start == id.StartTime
}
