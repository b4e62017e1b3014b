package agentlink

import (
	"os"
	"path/filepath"
	"strconv"
)

// socketPath is a path of the socket in a directory that is short enough for the kernel. The caller calls
// release when it has used it.
func socketPath(dir string) (path string, release func(), err error) {
	path = filepath.Join(dir, SocketName)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(d.Fd())), SocketName), func() { d.Close() }, nil
}
