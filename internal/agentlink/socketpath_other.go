//go:build !linux

package agentlink

import (
	"fmt"
	"path/filepath"
)

// socketPath is the path of the socket in a directory.
func socketPath(dir string) (path string, release func(), err error) {
	path = filepath.Join(dir, SocketName)
	if len(path) > maxSocketPath {
		return "", nil, fmt.Errorf("the path of a socket may have %d bytes here, and %s has %d: use a data directory with a shorter path", maxSocketPath, path, len(path))
	}
	return path, func() {}, nil
}
