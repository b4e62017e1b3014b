package faults_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const continueSignal = syscall.SIGCONT

// Kinds of processes, by their arguments.
func isAgent(args []string) bool  { return args[0] == "nex-agent" }
func isKernel(args []string) bool { return slices.Contains(args, "boot") }
func isGofer(args []string) bool  { return slices.Contains(args, "gofer") }

// processes are those of a node that are of a kind, in the order of their start.
func (n *node) processes(kind func(args []string) bool) []int {
	var found []int
	for _, pid := range n.left() {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil && kind(strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")) {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	return found
}

// sandboxOf is the id of the sandbox that a process belongs to; empty if it belongs to none.
func (n *node) sandboxOf(pid int) string {
	var text []byte
	for _, name := range []string{"environ", "cmdline"} {
		content, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name)) // if it has ended it belongs to none
		text = append(text, content...)
	}
	for _, id := range n.sandboxes() {
		if bytes.Contains(text, []byte(id)) {
			return id
		}
	}
	return ""
}

// killProcess ends a process, if it is still there.
func killProcess(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
