package castore

// lru knows the entries: how large they are, who uses them, when they were last used. It does no I/O
// and no locking.
type lru[V any] struct {
	limit   int64
	total   int64
	clock   uint64 // counts uses
	entries map[string]*Entry[V]
}

// Entry is something in a store. What is exported does not change.
type Entry[V any] struct {
	// Digest is what its name in the store is.
	Digest string
	// Size is in bytes.
	Size int64
	// Value is what the store keeps about it.
	Value V

	used    uint64 // the clock at the last use
	pins    int    // uses going on; an entry with pins is never a victim
	checked bool   // this process has made it, or seen that all of it is there
}

func newLRU[V any](limit int64) lru[V] {
	return lru[V]{limit: limit, entries: make(map[string]*Entry[V])}
}

// put adds an entry as the most recently used one, in the place of any with the same digest.
func (x *lru[V]) put(digest string, size int64, value V) *Entry[V] {
	if old := x.entries[digest]; old != nil {
		x.remove(old)
	}
	e := &Entry[V]{Digest: digest, Size: size, Value: value}
	x.entries[digest] = e
	x.total += size
	x.touch(e)
	return e
}

// remove forgets e and reports whether it was there. Its pins can still be given back.
func (x *lru[V]) remove(e *Entry[V]) bool {
	if x.entries[e.Digest] != e {
		return false
	}
	delete(x.entries, e.Digest)
	x.total -= e.Size
	return true
}

// pin adds a use.
func (x *lru[V]) pin(e *Entry[V]) {
	e.pins++
	x.touch(e)
}

func (x *lru[V]) touch(e *Entry[V]) {
	x.clock++
	e.used = x.clock
}

// victim returns the least recently used entry without pins if the limit is exceeded, else nil.
func (x *lru[V]) victim() *Entry[V] {
	if x.total <= x.limit {
		return nil
	}
	var oldest *Entry[V]
	for _, e := range x.entries {
		if e.pins == 0 && (oldest == nil || e.used < oldest.used) {
			oldest = e
		}
	}
	return oldest
}
