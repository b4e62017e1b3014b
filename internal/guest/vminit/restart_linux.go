package vminit

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
)

// flushTimeout bounds how long the disk may take to be written.
const flushTimeout = 10 * time.Second

// restart kills everything, writes what is to be written, and ends the VM.
func restart() {
	_ = unix.Kill(-1, unix.SIGKILL) // there may be nobody
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		unix.Sync()
		// Then the file system is one that was left in order. It may not be there yet, or still be in use.
		_ = unix.Mount("", guest.StagedDir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}()
	select {
	case <-flushed:
	case <-time.After(flushTimeout):
		say("the disk could not be written in time")
	}
	terminal.flush(wordsTimeout)
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART); err != nil {
		say("the VM cannot be ended: " + err.Error())
		terminal.flush(wordsTimeout)
	}
}
