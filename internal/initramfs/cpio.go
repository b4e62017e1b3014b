package initramfs

import (
	"fmt"
	"io"
)

// Types of files, as in the mode of an inode.
const (
	typeCharDevice = 0o020000
	typeDir        = 0o040000
	typeFile       = 0o100000
)

// archive writes a cpio archive of the form newc, which is what the kernel unpacks. What it writes depends on
// nothing but what is added.
type archive struct {
	w       io.Writer
	written int64
	inodes  int
	err     error // the first one
}

type entry struct {
	name         string // without a slash at its beginning
	mode         int    // type and permissions
	major, minor int    // of a device
	content      []byte
}

// newcMagic begins each header; 13 numbers of 8 hexadecimal digits follow.
const newcMagic = "070701"

func (a *archive) add(e entry) {
	a.inodes++
	a.header(a.inodes, e)
}

func (a *archive) header(inode int, e entry) {
	a.print(newcMagic)
	for _, n := range []int{inode, e.mode, 0, 0, 1, 0, len(e.content), 0, 0, e.major, e.minor, len(e.name) + 1, 0} {
		a.print(fmt.Sprintf("%08x", n))
	}
	a.print(e.name + "\x00")
	a.pad()
	a.write(e.content)
	a.pad()
}

// close writes what ends an archive.
func (a *archive) close() error {
	a.header(0, entry{name: "TRAILER!!!"})
	return a.err
}

func (a *archive) pad() { a.write(make([]byte, -a.written&3)) }

func (a *archive) print(s string) { a.write([]byte(s)) }

func (a *archive) write(b []byte) {
	if a.err != nil || len(b) == 0 {
		return
	}
	n, err := a.w.Write(b)
	a.written += int64(n)
	a.err = err
}
