package artifact

import (
	"context"

	nex "github.com/nex-engine/nex"
)

// Check finds out whether Fetch could succeed, without downloading: it refuses an artifact that is
// missing, too large, of another digest or out of reach, as far as its source tells. It returns the
// size, or -1 if the source does not tell. An artifact that is in the cache is not looked up.
func (c *Cache) Check(ctx context.Context, ref Ref) (int64, error) {
	src, err := c.sources.of(ref)
	if err != nil {
		return 0, err
	}
	if size, ok := c.cachedSize(ref.Digest); ok {
		return size, ref.checkSize(size)
	}
	m, err := src.stat(ctx)
	if err == nil {
		err = m.check(ref)
	}
	if err != nil && ctx.Err() != nil {
		return 0, gaveUp(ctx, ref)
	}
	if err != nil {
		return 0, err
	}
	return m.size, nil
}

// Fetch returns the artifact, from the cache or after a download, which it waits for. The caller
// releases the File. When ctx ends Fetch returns at once; the download goes on if another caller
// waits for it, and leaves nothing behind if none does.
func (c *Cache) Fetch(ctx context.Context, ref Ref) (*File, error) {
	if _, err := c.sources.of(ref); err != nil {
		return nil, err
	}
	for {
		e, f, err := c.board(ref)
		if err != nil {
			return nil, err
		}
		if e == nil {
			e, err = c.wait(ctx, f, ref)
			if err != nil && ctx.Err() == nil && !f.ref.sameSource(ref) {
				continue // what failed was another's location or limit: try with one's own
			}
			if err != nil {
				return nil, err
			}
		} else if !c.intact(e) {
			c.discard(e)
			c.unpin(e)
			continue
		}
		if err := ref.checkSize(e.size); err != nil {
			c.unpin(e)
			return nil, err
		}
		return c.handle(e), nil
	}
}

// cachedSize is the size of a file in the cache.
func (c *Cache) cachedSize(digest string) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.index.entries[digest]; e != nil {
		return e.size, true
	}
	return 0, false
}

// board returns the pinned entry of a verified file, or a flight that brings the artifact and
// counts the caller among its waiters.
func (c *Cache) board(ref Ref) (*entry, *flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, fail(errClosed, nex.CodeArtifactUnavailable, "artifact %s is unavailable: %v", ref, errClosed)
	}
	if e := c.index.entries[ref.Digest]; e != nil && e.verified {
		c.index.pin(e)
		return e, nil, nil
	}
	if f := c.flights[ref.Digest]; f != nil {
		f.waiters++
		return nil, f, nil
	}
	return nil, c.takeOffLocked(ref), nil
}
