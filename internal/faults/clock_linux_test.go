package faults_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nex-engine/nex/internal/nextest"
)

// The wall clock of the machine is everybody's, and there are no namespaces for it. A program asks for the
// time without a system call, though: it calls code that the kernel has mapped into it, of which it has a
// copy of its own as soon as somebody writes there. So the copy of the node is replaced by code that adds an
// offset to the time of day. Nobody else sees that, not even what the node starts.

// jumpingClock is that code for amd64, as a C function: ask the kernel, and if that succeeds and the clock is
// that of the day, add the eight bytes at the end to its seconds.
var jumpingClock = []byte{
	0xb8, 0xe4, 0x00, 0x00, 0x00, // mov   eax, 228 (clock_gettime)
	0x0f, 0x05, // syscall
	0x85, 0xc0, // test  eax, eax
	0x75, 0x0e, // jnz   end
	0x85, 0xff, // test  edi, edi
	0x75, 0x0a, // jnz   end
	0x48, 0x8b, 0x15, 0x0a, 0x00, 0x00, 0x00, // mov   rdx, [rip+10]
	0x48, 0x01, 0x16, // add   [rsi], rdx
	0xc3, // end: ret
	0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
	0, 0, 0, 0, 0, 0, 0, 0,
}

// offsetAt is where the offset is in jumpingClock.
const offsetAt = 32

// jumpClock lets the node's clock jump, by up to a week in either direction, and back.
func jumpClock(_ *world, s *step) (func() error, error) {
	if runtime.GOARCH != "amd64" {
		return nil, errors.New("the clock of a node can be moved on amd64 alone: leave the fault out with -only")
	}
	const week = 7 * 24 * 3600
	offset := int64(s.pick%(2*week)) - week
	s.note = fmt.Sprintf("by %s", time.Duration(offset)*time.Second)
	pid := s.node.process.PID()
	at, err := clockOf(pid)
	if err != nil {
		return nil, err
	}
	move := func(offset int64) error {
		return poke(pid, at+offsetAt, binary.LittleEndian.AppendUint64(nil, uint64(offset)))
	}
	if err := replaceCode(pid, at, jumpingClock); err != nil {
		return nil, err
	}
	return func() error { return move(0) }, move(offset)
}

// clockOf is where the code for the time is in a process. It is the same code as in this process.
func clockOf(pid int) (at int64, err error) {
	from, to, err := mapped(os.Getpid(), "[vdso]")
	if err != nil {
		return 0, err
	}
	code := make([]byte, to-from)
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		return 0, err
	}
	defer memory.Close()
	if _, err := memory.ReadAt(code, from); err != nil {
		return 0, err
	}
	library, err := elf.NewFile(bytes.NewReader(code))
	if err != nil {
		return 0, err
	}
	symbols, err := library.DynamicSymbols()
	if err != nil {
		return 0, err
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" && s.Size >= uint64(len(jumpingClock)) {
			from, _, err := mapped(pid, "[vdso]")
			return from + int64(s.Value), err
		}
	}
	return 0, errors.New("the kernel has no room for another clock")
}

// mapped is where something is in the memory of a process.
func mapped(pid int, what string) (from, to int64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), what) {
			_, err := fmt.Sscanf(line, "%x-%x", &from, &to)
			return from, to, err
		}
	}
	return 0, 0, fmt.Errorf("process %d has no %s", pid, what)
}

// replaceCode replaces code of a process while it is stopped and no thread is there.
func replaceCode(pid int, at int64, code []byte) error {
	from, to, err := mapped(pid, "[vdso]")
	if err != nil {
		return err
	}
	var failure error
	done := nextest.Poll(func() bool {
		if failure = syscall.Kill(pid, syscall.SIGSTOP); failure != nil {
			return true
		}
		defer func() { failure = errors.Join(failure, syscall.Kill(pid, syscall.SIGCONT)) }()
		if !nextest.Poll(func() bool { return stopped(pid) }) || inside(pid, from, to) {
			return false
		}
		failure = poke(pid, at, code)
		return true
	})
	if !done {
		return fmt.Errorf("process %d asks for the time all the time", pid)
	}
	return failure
}

// stopped reports whether no thread of a process runs.
func stopped(pid int) bool {
	for _, dir := range entries(fmt.Sprintf("/proc/%d/task", pid)) {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err == nil && !bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" T")) {
			return false
		}
	}
	return true
}

// inside reports whether a thread of a stopped process is about to go on between two addresses.
func inside(pid int, from, to int64) bool {
	for _, dir := range entries(fmt.Sprintf("/proc/%d/task", pid)) {
		line, err := os.ReadFile(filepath.Join(dir, "syscall"))
		fields := strings.Fields(string(line))
		if err != nil || len(fields) == 0 {
			continue // it has ended
		}
		pc, err := strconv.ParseInt(strings.TrimPrefix(fields[len(fields)-1], "0x"), 16, 64)
		if err != nil || pc >= from && pc < to {
			return true
		}
	}
	return false
}

// poke writes into the memory of a process.
func poke(pid int, at int64, content []byte) error {
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	_, err = memory.WriteAt(content, at)
	return err
}
