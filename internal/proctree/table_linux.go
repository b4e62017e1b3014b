package proctree

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func readTable() (table, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("read process table: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("read process table: %w", err)
	}
	t := make(table, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := readProcess(pid); err == nil { // else it has just gone
			t[pid] = p
		}
	}
	return t, nil
}

func readProcess(pid int) (process, error) {
	line, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		// A process that is reaped between open and read gives ESRCH.
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			return process{}, ErrNotFound
		}
		return process{}, err
	}
	p, err := parseStat(line)
	if err != nil {
		return process{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return p, nil
}

func procFile(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// Fields of /proc/<pid>/stat after the name, counted from the state as 0: see proc_pid_stat(5).
const (
	statState    = 0
	statPpid     = 1
	statPgrp     = 2
	statSession  = 3
	statFlags    = 6
	statThreads  = 17
	statStart    = 19
	statEnvStart = 47
)

// kernelThread is PF_KTHREAD of linux/sched.h.
const kernelThread = 0x00200000

// parseStat parses a line of /proc/<pid>/stat. The name in it is chosen by the process and may hold
// anything, also white space and parentheses; the last closing one ends it.
func parseStat(line []byte) (process, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 1 || end < open {
		return process{}, errors.New("stat line has no process name")
	}
	fields := bytes.Fields(line[end+1:])
	if len(fields) <= statStart {
		return process{}, fmt.Errorf("stat line has %d fields, too few", len(fields))
	}
	p := process{name: string(line[open+1 : end])}
	var threads, flags int
	for _, n := range []struct {
		into *int
		text []byte
	}{
		{&p.pid, bytes.TrimSpace(line[:open])},
		{&p.ppid, fields[statPpid]},
		{&p.pgrp, fields[statPgrp]},
		{&p.session, fields[statSession]},
		{&flags, fields[statFlags]},
		{&threads, fields[statThreads]},
	} {
		v, err := strconv.Atoi(string(n.text))
		if err != nil {
			return process{}, fmt.Errorf("stat line: %w", err)
		}
		*n.into = v
	}
	start, err := strconv.ParseUint(string(fields[statStart]), 10, 64)
	if err != nil {
		return process{}, fmt.Errorf("stat line: %w", err)
	}
	p.start = start
	p.kernel = flags&kernelThread != 0
	// A process whose first thread has ended looks like a zombie while its other threads run.
	state := fields[statState][0]
	p.ended = (state == 'Z' || state == 'X') && threads <= 1
	return p, nil
}
