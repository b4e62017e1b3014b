package artifact

import "io/fs"

// PartialFile is what a download is written to.
type PartialFile interface {
	Write([]byte) (int, error)
	Close() error
	Name() string
	Chmod(fs.FileMode) error
}

// WrapPartials makes the cache write its downloads through wrap.
func (c *Cache) WrapPartials(wrap func(PartialFile) PartialFile) {
	c.newPartial = func(dir string) (partialFile, error) {
		f, err := createPartial(dir)
		if err != nil {
			return nil, err
		}
		return wrap(f), nil
	}
}

// Waiters is how many callers wait for a digest.
func (c *Cache) Waiters(digest string) int { return c.index.Waiters(digest) }

var ObjectDigest = objectDigest
