package proctree

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"time"
)

// A process has no environment for a moment while it changes its program. environTries times
// environPause is far longer than that takes; there is no event to wait for.
const (
	environTries = 50
	environPause = time.Millisecond
)

// carries reports whether the process was started with one of the markers in its environment. Those whose
// environment we may not read belong to somebody else, and we could not kill them either.
func carries(p process, markers []string) bool {
	for range environTries {
		environ, changing := environment(p.pid)
		if !changing {
			return contains(environ, markers)
		}
		time.Sleep(environPause)
	}
	return false
}

// environment reads the environment of a process, or says that it is changing its program.
func environment(pid int) (environ []byte, changing bool) {
	environ, err := os.ReadFile(procFile(pid, "environ"))
	if err != nil || len(environ) > 0 {
		return environ, false
	}
	if args, err := os.ReadFile(procFile(pid, "cmdline")); err != nil || len(args) > 0 {
		return nil, false // it was started without an environment
	}
	if hasEnvironment(pid) {
		return nil, false // it has taken it out of its memory, as the processes of a gVisor sandbox do
	}
	environ = threadEnvironment(pid)
	return environ, len(environ) == 0
}

// hasEnvironment reports whether the process has a place for its environment: while it changes its
// program it has none.
func hasEnvironment(pid int) bool {
	line, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return false
	}
	fields := bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:])
	return len(fields) > statEnvStart && string(fields[statEnvStart]) != "0"
}

// threadEnvironment reads the environment through any thread, for a process whose first thread has
// ended while others go on.
func threadEnvironment(pid int) []byte {
	threads, err := os.ReadDir(procFile(pid, "task"))
	if err != nil {
		return nil
	}
	for _, t := range threads {
		if t.Name() == strconv.Itoa(pid) {
			continue
		}
		if b, err := os.ReadFile(procFile(pid, "task/"+t.Name()+"/environ")); err == nil && len(b) > 0 {
			return b
		}
	}
	return nil
}

// contains reports whether one of the zero-ended strings in list is one of those.
func contains(list []byte, those []string) bool {
	for v := range bytes.SplitSeq(list, []byte{0}) {
		if slices.Contains(those, string(v)) {
			return true
		}
	}
	return false
}
