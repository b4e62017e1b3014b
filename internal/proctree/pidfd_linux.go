package proctree

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
)

// pidfdInfo is struct pidfd_info of linux/pidfd.h in its first version.
type pidfdInfo struct {
	mask, cgroup uint64
	pid, tgid    uint32
	ppid         uint32
	users        [8]uint32
	exitCode     int32
}

const (
	pidfdInfoExit = 1 << 3 // PIDFD_INFO_EXIT
	// pidfdGetInfo is PIDFD_GET_INFO, an ioctl that reads and writes a pidfdInfo.
	pidfdGetInfo = 3<<30 | unsafe.Sizeof(pidfdInfo{})<<16 | 0xFF<<8 | 11
)

// reapedWithin is how long the parent of a process, which is not this one, may take to ask for how it has ended.
// Only then does the kernel tell others.
const reapedWithin = 100 // milliseconds

// exitOfPidfd says how a process has ended that is not our child. Kernels before 6.15 do not tell.
func exitOfPidfd(hold *os.File) nex.Exit {
	raw, err := hold.SyscallConn()
	if err != nil {
		return UnknownExit
	}
	info := pidfdInfo{mask: pidfdInfoExit}
	err = raw.Control(func(fd uintptr) {
		polled := []unix.PollFd{{Fd: int32(fd)}} // hanging up is told of in any case
		_, _ = unix.Poll(polled, reapedWithin)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, pidfdGetInfo, uintptr(unsafe.Pointer(&info))); errno != 0 {
			info.mask = 0
		}
	})
	if err != nil || info.mask&pidfdInfoExit == 0 {
		return UnknownExit
	}
	return exitOfStatus(syscall.WaitStatus(info.exitCode))
}
