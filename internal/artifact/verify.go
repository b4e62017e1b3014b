package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
)

// verified returns the entry of a file that is in the cache already, with one pin, after reading
// the whole file. A damaged file is removed; the entry is nil
// then, as it is when there is none. An error means that ctx has ended.
func (c *Cache) verified(ctx context.Context, ref Ref) (*entry, error) {
	c.mu.Lock()
	e := c.index.entries[ref.Digest]
	if e == nil {
		c.mu.Unlock()
		return nil, nil
	}
	c.index.pin(e)
	c.mu.Unlock()

	if c.intact(e) && c.hashMatches(ctx, e) {
		c.mu.Lock()
		e.verified = true
		c.mu.Unlock()
		return e, nil
	}
	defer c.unpin(e)
	if ctx.Err() != nil {
		return nil, unavailable(ref, context.Cause(ctx))
	}
	c.log.Warn("a file of the artifact cache was damaged; it is fetched again", "digest", e.digest)
	c.discard(e)
	return nil, nil
}

// intact reports whether the file of an entry is still there with the size it had.
func (c *Cache) intact(e *entry) bool {
	info, err := os.Lstat(c.path(e.digest))
	return err == nil && info.Mode().IsRegular() && info.Size() == e.size
}

// hashMatches reads the file of an entry.
func (c *Cache) hashMatches(ctx context.Context, e *entry) bool {
	f, err := os.Open(c.path(e.digest))
	if err != nil {
		return false
	}
	body := fileBody{ctx: ctx, File: f}
	defer body.Close() // only read
	h := sha256.New()
	if _, err := io.Copy(h, struct{ io.Reader }{body}); err != nil {
		return false
	}
	return hex.EncodeToString(h.Sum(nil)) == e.digest
}
