package qemu

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// memories are the RAM of snapshots, in files that have no name and that nobody can write to any more: what a
// machine does not change of its RAM it has in common with all others of the snapshot, so that one which breaks out
// must not be able to change it. They stay in memory as long as the node, unless they are forgotten, and as machines
// that use them.
type memories struct {
	mu    sync.Mutex
	known map[string]*os.File // by directory of the snapshot
}

// open returns the RAM of a snapshot. The caller closes it.
func (m *memories) open(dir string) (*os.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.known[dir]
	if f == nil {
		var err error
		if f, err = load(filepath.Join(dir, memoryFile)); err != nil {
			return nil, fmt.Errorf("read the memory of a snapshot: %w", err)
		}
		if m.known == nil {
			m.known = map[string]*os.File{}
		}
		m.known[dir] = f
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the memory of a snapshot: %w", err)
	}
	return os.NewFile(uintptr(fd), memoryFile), nil
}

// forget gives up the RAM of a snapshot, if there is any.
func (m *memories) forget(dir string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.known[dir]; f != nil {
		_ = f.Close() // nothing was written
		delete(m.known, dir)
	}
}

// load copies a file into one that only exists in memory.
func load(path string) (*os.File, error) {
	from, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer from.Close() // only read
	fd, err := unix.MemfdCreate("nex-"+memoryFile, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	to := os.NewFile(uintptr(fd), memoryFile)
	err = vmm.CopySparse(to, from)
	if err == nil {
		_, err = unix.FcntlInt(to.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		_ = to.Close() // it is gone with that
		return nil, err
	}
	return to, nil
}
