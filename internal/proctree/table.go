//go:build linux || darwin

package proctree

// process is one row of the process table.
type process struct {
	pid, ppid, pgrp, session int
	start                    uint64
	// ended is set for a zombie: it needs no killing, but tells where its session came from.
	ended bool
	// kernel is set for what is no program but a part of the kernel.
	kernel bool
	name   string
}

// table is the process table, by process id. It is not a snapshot: processes come and go while it
// is read, so that a parent can be missing although its child is there.
type table map[int]process
