//go:build !linux

package vminit

import (
	"fmt"
	"os"
)

// Main says that it runs in no VM, and returns 2.
func Main() int {
	fmt.Fprintln(os.Stderr, "nex-init is the first process of a microVM: the kernel starts it.")
	return 2
}
