// Package castore keeps the books of a content-addressed store: a directory in which each file, or directory,
// is named by a sha256, and which is bounded in size.
//
// An [Index] knows what is in the store, lets all who want the same thing at the same time share the work of
// bringing it, and has the least recently used removed when there is too much. What is in the store, how it
// comes there and what it takes to check it is its owner's business.
package castore

import (
	"context"
	"errors"
	"sync"
)

var (
	// ErrClosed is that of an Index which is closed.
	ErrClosed = errors.New("the store is closed")
	// ErrGaveUp is that of a caller whose ctx has ended while others did the work.
	ErrGaveUp = errors.New("the caller has given up")
)

// ObtainFunc brings an entry, or checks that of an earlier process, and returns it with one pin: from Place or
// Pin. Its ctx ends when nobody waits for the entry any more, and with the Index.
type ObtainFunc[V any] func(ctx context.Context) (*Entry[V], error)

// Config is what an [Index] needs.
type Config struct {
	// Limit is how many bytes the entries may have together. Those in use are kept even if they have more.
	Limit int64
	// Remove takes its name from what an entry was for. No other gets or loses its name meanwhile, so what
	// takes long is left to the function that it returns; nil if there is nothing left to do.
	Remove func(digest string) (rest func())
	// Background says that nobody whose use ends waits for what is removed then.
	Background bool
}

// Index is the index of a store whose entries each have a V. It is safe for concurrent use. Make one with
// [NewIndex].
type Index[V any] struct {
	remove     func(digest string) (rest func())
	background bool

	ctx     context.Context // ends with the index
	cancel  context.CancelCauseFunc
	running sync.WaitGroup // flights, and removals in the background

	// names is held while something in the store gets or loses its name, so that an eviction cannot
	// remove what has just been put there. It is locked before mu.
	names sync.Mutex

	mu      sync.Mutex
	closed  bool
	lru     lru[V]
	flights map[string]*flight[V] // by digest
}

// NewIndex makes an empty Index. The caller adds what is in the store already, and closes it.
func NewIndex[V any](cfg Config) *Index[V] {
	x := &Index[V]{
		remove: cfg.Remove, background: cfg.Background,
		lru: newLRU[V](cfg.Limit), flights: make(map[string]*flight[V]),
	}
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	return x
}

// Close ends, for this cause, what is going on and waits for it. Nothing is evicted any more, and Get fails.
func (x *Index[V]) Close(cause error) {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.cancel(cause)
	x.running.Wait()
}

// Add adds what was in the store already, as the most recently used, and not checked. It is not evicted before
// the next use ends or Evict is called.
func (x *Index[V]) Add(digest string, size int64, value V) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lru.put(digest, size, value)
}

// Lookup returns the entry, without a pin, or nil. An empty digest is that of none.
func (x *Index[V]) Lookup(digest string) *Entry[V] {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lru.entries[digest]
}

// Get returns an entry that is checked, with a pin that is the caller's: one that is there, or what obtain
// brings. Gets of the same digest share the work, which goes on for as long as anybody waits for it. The
// source says where it comes from: the error of another caller is one's own only when the source is. Without
// a digest nothing is shared. The error is [ErrClosed], [ErrGaveUp] when ctx has ended, or that of obtain.
func (x *Index[V]) Get(ctx context.Context, digest, source string, obtain ObtainFunc[V]) (*Entry[V], error) {
	for {
		e, f, err := x.board(digest, source, obtain)
		if f == nil {
			return e, err
		}
		e, err = x.wait(ctx, f)
		if err != nil && ctx.Err() == nil && f.source != source {
			continue
		}
		return e, err
	}
}

// board returns the pinned entry if it is checked, or a flight that brings it and counts the caller among its
// waiters.
func (x *Index[V]) board(digest, source string, obtain ObtainFunc[V]) (*Entry[V], *flight[V], error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, nil, ErrClosed
	}
	if e := x.lru.entries[digest]; e != nil && e.checked {
		x.lru.pin(e)
		return e, nil, nil
	}
	if f := x.flights[digest]; f != nil {
		f.waiters++
		return nil, f, nil
	}
	return nil, x.takeOffLocked(digest, source, obtain), nil
}

// Waiters is how many callers wait for a digest.
func (x *Index[V]) Waiters(digest string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if f := x.flights[digest]; f != nil {
		return f.waiters
	}
	return 0
}

// Pin returns the entry with a pin that is the caller's, and whether it is checked; nil if there is none.
func (x *Index[V]) Pin(digest string) (e *Entry[V], checked bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e = x.lru.entries[digest]; e == nil {
		return nil, false
	}
	x.lru.pin(e)
	return e, e.checked
}

// SetChecked says that all of an entry is there.
func (x *Index[V]) SetChecked(e *Entry[V]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e.checked = true
}

// Unpin gives a pin back, and evicts if that makes it possible to keep the limit.
func (x *Index[V]) Unpin(e *Entry[V]) {
	x.mu.Lock()
	e.pins--
	evict := !x.closed && x.lru.victim() != nil
	if evict && x.background {
		x.running.Go(x.Evict)
	}
	x.mu.Unlock()
	if evict && !x.background {
		x.Evict()
	}
}

// Place calls name to give what is complete its name in the store, and returns its entry, checked and with a
// pin that is the caller's. The function is told the entry that is there already and is checked, or nil; it
// may leave that in its place.
func (x *Index[V]) Place(digest string, size int64, value V, name func(there *Entry[V]) error) (*Entry[V], error) {
	x.names.Lock()
	defer x.names.Unlock()
	x.mu.Lock()
	e := x.lru.entries[digest]
	there := e
	if e != nil && !e.checked {
		there = nil
	}
	x.mu.Unlock()
	if err := name(there); err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if e == nil || e.Size != size {
		e = x.lru.put(digest, size, value)
	}
	e.checked = true
	x.lru.pin(e)
	return e, nil
}

// Evict removes what nobody uses, least recently used first, until the limit is kept.
func (x *Index[V]) Evict() {
	for x.drop(x.lru.victim) {
	}
}

// Discard removes what is damaged or gone. Its pins are still to be given back.
func (x *Index[V]) Discard(e *Entry[V]) {
	x.drop(func() *Entry[V] { return e })
}

// drop removes the entry that choose returns, and what it was for, and reports whether there was one. One that
// is not in the index has no name any more: it belongs to a newer one.
func (x *Index[V]) drop(choose func() *Entry[V]) bool {
	x.names.Lock()
	x.mu.Lock()
	e := choose()
	found := e != nil && x.lru.remove(e)
	x.mu.Unlock()
	var rest func()
	if found {
		rest = x.remove(e.Digest)
	}
	x.names.Unlock()
	if rest != nil {
		rest()
	}
	return found
}
