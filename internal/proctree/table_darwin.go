package proctree

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// szomb is SZOMB of <sys/proc.h>.
const szomb = 5

func readTable() (table, error) {
	list, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, fmt.Errorf("read process table: %w", err)
	}
	t := make(table, len(list))
	for i := range list {
		p := convert(&list[i])
		t[p.pid] = p
	}
	return t, nil
}

func readProcess(pid int) (process, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid { // the answer for nobody is an empty one
		return process{}, ErrNotFound
	}
	return convert(k), nil
}

func convert(k *unix.KinfoProc) process {
	p := process{
		pid:   int(k.Proc.P_pid),
		ppid:  int(k.Eproc.Ppid),
		pgrp:  int(k.Eproc.Pgid),
		start: uint64(k.Proc.P_starttime.Sec)*1e6 + uint64(k.Proc.P_starttime.Usec),
		ended: k.Proc.P_stat == szomb,
	}
	name := k.Proc.P_comm[:]
	if end := bytes.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	p.name = string(name)
	if sid, err := unix.Getsid(p.pid); err == nil {
		p.session = sid
	}
	return p
}

// carries reports whether the process was started with one of the markers in its environment. The system
// does not show the environment of somebody else's process, nor that of its own programs.
func carries(p process, markers []string) bool {
	// The arguments' count, the program's path, the arguments and the environment, each ended by
	// a zero byte. An argument that looks like the marker counts as well: telling them apart is not
	// worth a parser of an undocumented format.
	b, err := unix.SysctlRaw("kern.procargs2", p.pid)
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if slices.Contains(markers, string(v)) {
			return true
		}
	}
	return false
}
