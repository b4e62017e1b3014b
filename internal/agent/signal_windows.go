package agent

import (
	"os"
	"syscall"
)

// stopSignal is the one that there is.
func stopSignal(string) os.Signal { return syscall.SIGTERM }
