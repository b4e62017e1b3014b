package kvm

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The numbers of KVM's requests that a virtual processor of a PC needs.
const (
	setUserMemoryRegion = 0x4020ae46
	runVCPU             = 0xae80
	setRegisters        = 0x4090ae82
	getSegments         = 0x8138ae83
	setSegments         = 0x4138ae84
)

// Where things are in what KVM is told and tells.
const (
	ripOffset, rflagsOffset = 16 * 8, 17 * 8 // in the registers, of which there are 18
	codeBase, codeSelector  = 0, 12          // in the first of the segments, 312 bytes with all others
	exitReason              = 8              // in the shared page
	immediateExit           = 1              // in it, too
	exitIO                  = 2
)

// program is what the machine runs, in 16 bits, for ever: a million rounds of a loop, then a byte for port 16,
// for which the machine stops.
var program = []byte{
	0x66, 0xb9, 0x40, 0x42, 0x0f, 0x00, // mov ecx, 1000000
	0x66, 0x49, // dec ecx
	0x75, 0xfc, // jnz the line above
	0xe6, 0x10, // out 16, al
	0xeb, 0xf2, // jmp the first line
}

// rounds is how often the program must get to its end.
const rounds = 100

// run has the machine run the program, and is an error if it is slow.
func run(ctx context.Context, vm, cpu uintptr, size int) error {
	memory, err := unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	defer unix.Munmap(memory)
	copy(memory, program)
	shared, err := unix.Mmap(int(cpu), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("KVM cannot make a virtual processor: %w", err)
	}
	defer unix.Munmap(shared)
	if err := prepare(vm, cpu, memory); err != nil {
		return fmt.Errorf("KVM cannot prepare a virtual processor: %w", err)
	}

	var late atomic.Bool
	stop := interrupt(ctx, &late, &shared[immediateExit])
	defer stop()
	start := time.Now()
	for n := range rounds {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, cpu, runVCPU, 0)
		for errno == unix.EINTR && !late.Load() {
			_, _, errno = unix.Syscall(unix.SYS_IOCTL, cpu, runVCPU, 0)
		}
		switch reason := binary.NativeEndian.Uint32(shared[exitReason:]); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case late.Load():
			return fmt.Errorf("KVM is too slow to be of use: %d million rounds of a loop took %v, so that it is emulated itself: "+
				"use a machine with virtualization in hardware", n, time.Since(start).Round(time.Millisecond))
		case errno != 0:
			return fmt.Errorf("KVM cannot run a virtual processor: %w", errno)
		case reason != exitIO:
			return fmt.Errorf("KVM cannot run a virtual processor: it stopped for reason %d", reason)
		}
	}
	return nil
}

// prepare gives the machine its memory, and the processor its start.
func prepare(vm, cpu uintptr, memory []byte) error {
	region := struct {
		slot, flags       uint32
		guest, size, host uint64
	}{size: uint64(len(memory)), host: uint64(uintptr(unsafe.Pointer(&memory[0])))}
	if _, err := ask(vm, setUserMemoryRegion, uintptr(unsafe.Pointer(&region))); err != nil {
		return err
	}
	var segments [312]byte
	if _, err := ask(cpu, getSegments, uintptr(unsafe.Pointer(&segments))); err != nil {
		return err
	}
	binary.NativeEndian.PutUint64(segments[codeBase:], 0)
	binary.NativeEndian.PutUint16(segments[codeSelector:], 0)
	if _, err := ask(cpu, setSegments, uintptr(unsafe.Pointer(&segments))); err != nil {
		return err
	}
	var registers [18 * 8]byte
	binary.NativeEndian.PutUint64(registers[ripOffset:], 0)
	binary.NativeEndian.PutUint64(registers[rflagsOffset:], 2) // the bit that is always set
	_, err := ask(cpu, setRegisters, uintptr(unsafe.Pointer(&registers)))
	return err
}
