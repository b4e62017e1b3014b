package qemu

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Accelerators, as QEMU calls them.
const (
	kvm       = "kvm"
	emulation = "tcg"
)

const (
	// tryKVM is how long the machine of a few instructions may take with KVM. A KVM that works takes a
	// hundredth of it; one that is emulated itself takes minutes.
	tryKVM = 1500 * time.Millisecond
	// tryEmulation is for a busy machine.
	tryEmulation = 20 * time.Second
)

// How long the machine counts: so that emulation takes a moment, and KVM as long as it takes to notice one that
// emulates.
const (
	countsForKVM       = 30_000_000
	countsForEmulation = 100_000
)

const (
	// exitPort is the port of the device by which the machine ends QEMU, and exitValue what it says there.
	exitPort, exitValue = 0x501, 0x10
	// exitStatus is what QEMU makes of it.
	exitStatus = exitValue<<1 | 1
)

// abilities finds out, once, what QEMU can do here.
func (q *QEMU) abilities(ctx context.Context) (abilities, error) {
	q.probing.Lock()
	defer q.probing.Unlock()
	if q.found.accelerator != "" {
		return q.found, nil
	}
	found, err := q.probe(ctx)
	if err != nil {
		return abilities{}, fmt.Errorf("QEMU does not work here: %w", err)
	}
	q.found = found
	return found, nil
}

func (q *QEMU) probe(ctx context.Context) (abilities, error) {
	err := q.try(ctx, abilities{accelerator: emulation, filter: true}, countsForEmulation, tryEmulation)
	filter := err == nil
	if !filter && ctx.Err() == nil {
		err = q.try(ctx, abilities{accelerator: emulation}, countsForEmulation, tryEmulation)
	}
	if err != nil {
		return abilities{}, err
	}
	if !filter {
		q.log.Warn("this QEMU cannot filter its own system calls")
	}
	if q.emulate {
		return emulated(filter)
	}
	err = unix.Access("/dev/kvm", unix.R_OK|unix.W_OK)
	if err != nil {
		err = fmt.Errorf("/dev/kvm cannot be used: %w", err)
	} else {
		err = q.try(ctx, abilities{accelerator: kvm, filter: filter}, countsForKVM, tryKVM)
	}
	if ctx.Err() != nil {
		return abilities{}, context.Cause(ctx)
	}
	if err != nil {
		q.log.Warn("KVM is not used, and machines are emulated, which is slow", "error", err)
		return emulated(filter)
	}
	return abilities{accelerator: kvm, filter: filter}, nil
}

// emulated are the abilities of machines without KVM.
func emulated(filter bool) (abilities, error) {
	khz := tscKHz()
	if khz == 0 {
		return abilities{}, errors.New("the processor's time stamp counter does not count: machines need it as their clock")
	}
	return abilities{accelerator: emulation, filter: filter, tscKHz: khz}, nil
}

// try runs a machine that counts, with QEMU told to have these abilities.
func (q *QEMU) try(ctx context.Context, a abilities, counts uint32, atMost time.Duration) error {
	dir, err := os.MkdirTemp("", "nex-qemu-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	firmware := filepath.Join(dir, "firmware")
	if err := os.WriteFile(firmware, counter(counts), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	args := append(a.arguments(),
		"-m", "16M", "-bios", firmware, "-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=4", exitPort))
	cmd := exec.CommandContext(ctx, q.path, args...)
	var complaints bytes.Buffer
	cmd.Env, cmd.Stderr = []string{}, &complaints
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("with %s a machine of a few instructions does not end in %v", a.accelerator, atMost)
	case errors.As(err, &exit) && exit.ExitCode() == exitStatus:
		return nil
	}
	if said := q.Complaint(complaints.Bytes()); said != "" {
		return fmt.Errorf("with %s: %s", a.accelerator, said)
	}
	return fmt.Errorf("with %s a machine of a few instructions ends with %v", a.accelerator, err)
}

// counter is the firmware of a machine that counts down, and ends QEMU.
func counter(from uint32) []byte {
	const size, entry = 64 << 10, 0xfff0 // where the processor begins, 16 bytes before the end
	rom := make([]byte, size)
	code := []byte{0x66, 0xbf} // mov edi, from
	code = binary.LittleEndian.AppendUint32(code, from)
	code = append(code,
		0x66, 0x4f, // again: dec edi
		0x75, 0xfc, // jnz again
		0xba, exitPort&0xff, exitPort>>8, // mov dx, exitPort
		0xb0, exitValue, // mov al, exitValue
		0xee, // out dx, al
		0xf4) // hlt
	copy(rom, code)
	copy(rom[entry:], []byte{0xea, 0x00, 0x00, 0x00, 0xf0}) // jmp f000:0000
	return rom
}
