package artifact

import (
	"os"
	"sync"
	"time"
)

// File is an artifact in the cache. It stays there until it is released.
type File struct {
	// Path is where the file is, absolute. It has mode 0400 and must not be changed.
	Path string
	// Digest is the sha256 of its content, in lower-case hex.
	Digest string
	// Size is in bytes.
	Size int64

	release func()
}

// Release gives the file back: from now on it may be evicted. Only the first call counts.
func (f *File) Release() { f.release() }

// handle makes a File of an entry and takes over one of its pins.
func (c *Cache) handle(e *entry) *File {
	path := c.path(e.Digest)
	// So that the next process knows the order of use. Without it eviction is less clever, no more.
	now := time.Now()
	_ = os.Chtimes(path, now, now)
	return &File{
		Path:    path,
		Digest:  e.Digest,
		Size:    e.Size,
		release: sync.OnceFunc(func() { c.index.Unpin(e) }),
	}
}
