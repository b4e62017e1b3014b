package image

// index knows the images of the store: how large they are, who uses them, when they were last used.
// It does no I/O and no locking.
type index struct {
	limit   int64
	total   int64
	clock   uint64 // counts uses
	entries map[string]*entry
}

// entry is an image in the index.
type entry struct {
	digest  string
	note    note
	used    uint64 // the clock at the last use
	pins    int    // uses going on; an entry with pins is never a victim
	checked bool   // this process has made it, or seen that all of it is there
}

func newIndex(limit int64) index {
	return index{limit: limit, entries: make(map[string]*entry)}
}

// put adds an image as the most recently used one. There must be none with its digest.
func (x *index) put(digest string, n note) *entry {
	e := &entry{digest: digest, note: n}
	x.entries[digest] = e
	x.total += n.Size.Bytes
	x.touch(e)
	return e
}

// remove forgets e and reports whether it was in the index. Its pins can still be given back.
func (x *index) remove(e *entry) bool {
	if x.entries[e.digest] != e {
		return false
	}
	delete(x.entries, e.digest)
	x.total -= e.note.Size.Bytes
	return true
}

// pin adds a use.
func (x *index) pin(e *entry) {
	e.pins++
	x.touch(e)
}

func (x *index) touch(e *entry) {
	x.clock++
	e.used = x.clock
}

// victim returns the least recently used entry without pins if the limit is exceeded, else nil.
func (x *index) victim() *entry {
	if x.total <= x.limit {
		return nil
	}
	var oldest *entry
	for _, e := range x.entries {
		if e.pins == 0 && (oldest == nil || e.used < oldest.used) {
			oldest = e
		}
	}
	return oldest
}
