package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
)

// verified returns the entry of a file that is in the cache already, with one pin, after reading
// the whole file. A damaged file is removed; the entry is nil then, as it is when there is none. An error
// means that ctx has ended.
func (c *Cache) verified(ctx context.Context, ref Ref) (*entry, error) {
	e, _ := c.index.Pin(ref.Digest)
	if e == nil {
		return nil, nil
	}
	if c.intact(e) && c.hashMatches(ctx, e) {
		c.index.SetChecked(e)
		return e, nil
	}
	defer c.index.Unpin(e)
	if ctx.Err() != nil {
		return nil, unavailable(ref, context.Cause(ctx))
	}
	c.log.Warn("a file of the artifact cache was damaged; it is fetched again", "digest", e.Digest)
	c.index.Discard(e)
	return nil, nil
}

// intact reports whether the file of an entry is still there with the size it had.
func (c *Cache) intact(e *entry) bool {
	info, err := os.Lstat(c.path(e.Digest))
	return err == nil && info.Mode().IsRegular() && info.Size() == e.Size
}

// hashMatches reads the file of an entry.
func (c *Cache) hashMatches(ctx context.Context, e *entry) bool {
	f, err := os.Open(c.path(e.Digest))
	if err != nil {
		return false
	}
	body := fileBody{ctx: ctx, File: f}
	defer body.Close() // only read
	h := sha256.New()
	if _, err := io.Copy(h, struct{ io.Reader }{body}); err != nil {
		return false
	}
	return hex.EncodeToString(h.Sum(nil)) == e.Digest
}
