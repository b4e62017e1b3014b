package firecracker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// guestCID is the address of every guest: each has a vsock of its own.
const guestCID = 3

// Boot implements [vmm.VMM].
func (f *Firecracker) Boot(ctx context.Context, m vmm.Machine) error {
	limits, err := limitsOf(m, m.Rates)
	if err != nil {
		return err
	}
	if err := f.awaitAPI(ctx, m); err != nil {
		return err
	}
	c := f.api(m)
	defer c.Close()
	if m.Snapshot != "" {
		return restore(ctx, c, m, limits)
	}
	return boot(ctx, c, m, limits)
}

// boot says what the machine is, and starts it.
func boot(ctx context.Context, c *fcapi.Client, m vmm.Machine, l limits) error {
	source := fcapi.BootSource{Kernel: kernelName, Args: cmdline(m)}
	if m.Initrd != "" {
		source.Initrd = initrdName
	}
	steps := []func() error{
		func() error {
			return c.SetMachine(ctx, fcapi.Machine{VCPUs: m.CPUs, MemoryMiB: int(m.MemoryBytes >> 20)})
		},
		func() error { return c.SetBootSource(ctx, source) },
		func() error { return c.SetVsock(ctx, fcapi.Vsock{CID: guestCID, Path: vsockSocket}) },
	}
	for n, d := range m.Disks {
		steps = append(steps, func() error {
			return c.SetDrive(ctx, fcapi.Drive{
				ID: diskName(n), Path: diskName(n), ReadOnly: d.ReadOnly, Rates: l.disk,
				Root: n == 0, // so that it is vda, and the kernel's root unless there is an initrd
			})
		})
	}
	if n := m.Network; n != nil {
		steps = append(steps, func() error {
			return c.SetNetworkInterface(ctx, fcapi.NetworkInterface{
				ID: networkID, Tap: n.Tap, MAC: n.MAC, Received: l.network, Sent: l.network,
			})
		})
	}
	for _, step := range append(steps, func() error { return explain(c.Start(ctx), m.Kernel) }) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// explain says more about a kernel that firecracker does not take, if it is the kind that other hypervisors do.
func explain(err error, kernel string) error {
	var refused *fcapi.Error
	if !errors.As(err, &refused) || runtime.GOARCH != "amd64" {
		return err
	}
	// The header of a kernel that unpacks itself has its mark there.
	const mark, at = "HdrS", 0x202
	file, failure := os.Open(kernel)
	if failure != nil {
		return err
	}
	defer file.Close()
	var found [len(mark)]byte
	if _, failure := io.ReadFull(io.NewSectionReader(file, at, int64(len(mark))), found[:]); failure != nil || !bytes.Equal(found[:], []byte(mark)) {
		return err
	}
	return fmt.Errorf("%w: %s is a bzImage: take the kernel's vmlinux", err, kernel)
}

// SetRates implements [vmm.VMM]. Should it fail half-way the bounds are those of Machine.Rates again.
func (f *Firecracker) SetRates(ctx context.Context, m vmm.Machine, r vmm.Rates) error {
	to, err := limitsOf(m, r)
	if err != nil {
		return err
	}
	from, err := limitsOf(m, m.Rates)
	if err != nil {
		return err
	}
	c := f.api(m)
	defer c.Close()
	if err := setLimits(ctx, c, m, to); err != nil {
		return errors.Join(err, setLimits(ctx, c, m, from))
	}
	return nil
}

// setLimits bounds the devices of a machine that is not being set up any more.
func setLimits(ctx context.Context, c *fcapi.Client, m vmm.Machine, l limits) error {
	for n := range m.Disks {
		if err := c.UpdateDrive(ctx, fcapi.DriveUpdate{ID: diskName(n), Rates: l.disk}); err != nil {
			return err
		}
	}
	if m.Network == nil {
		return nil
	}
	return c.UpdateNetworkInterface(ctx, fcapi.NetworkUpdate{ID: networkID, Received: l.network, Sent: l.network})
}
