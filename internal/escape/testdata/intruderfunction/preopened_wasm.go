package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

//go:wasmimport wasi_snapshot_preview1 path_open
func pathOpen(fd, dirflags int32, path unsafe.Pointer, length, oflags int32, rights, inheriting uint64, fdflags int32, to unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_get
func fdFdstatGet(fd int32, stat unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_accept
func sockAccept(fd, flags int32, to unsafe.Pointer) uint32

// preopened looks for directories and sockets that are open already.
func preopened() {
	for fd := range int32(32) {
		var buf [64]byte
		to := unsafe.Pointer(&buf)
		for _, path := range []string{"etc/passwd", "/etc/passwd", "../etc/passwd", "."} {
			name := []byte(path)
			e := pathOpen(fd, 1, unsafe.Pointer(&name[0]), int32(len(name)), 0, 1<<1, 0, 0, to)
			attempt(fmt.Sprintf("open %s by %d", path, fd), errno(e))
		}
		attempt(fmt.Sprintf("accept from %d", fd), errno(sockAccept(fd, 0, to)))
		if fd > 2 {
			attempt(fmt.Sprintf("file %d", fd), errno(fdFdstatGet(fd, to)))
		}
	}
}

func errno(e uint32) error {
	if e != 0 {
		return syscall.Errno(e)
	}
	return nil
}
