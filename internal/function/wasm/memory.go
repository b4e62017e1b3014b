package wasm

import (
	"sync"

	"github.com/tetratelabs/wazero/experimental"
)

// The size of a WebAssembly page, and how many a memory can have.
const (
	pageBytes = 64 << 10
	maxPages  = 1 << 16
)

// checkSize is the size that the code of a module wants its memory to have, without any hope of it,
// when it asks whether it is to end: see rewriteCode.
const checkSize = maxPages * pageBytes

// memoryPool keeps the linear memories of instances that have ended for those to come: to get memory
// from the system for each call costs several times what a small function takes. It is safe for
// concurrent use.
type memoryPool struct {
	limit uint64 // bytes that a memory may have
	keep  int    // memories to keep

	mu     sync.Mutex
	idle   []*region
	closed bool
}

func newMemoryPool(limit uint64, keep int) *memoryPool {
	return &memoryPool{limit: limit, keep: keep}
}

// get returns a memory that is all zeros.
func (p *memoryPool) get() (*region, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		r := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return r, nil
	}
	p.mu.Unlock()
	return newRegion(p.limit)
}

// put takes a memory back that nobody uses any more.
func (p *memoryPool) put(r *region) {
	if r.wipe() {
		p.mu.Lock()
		if !p.closed && len(p.idle) < p.keep {
			p.idle = append(p.idle, r)
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
	}
	r.free()
}

// close frees what is idle. Memories that come back after it are freed at once.
func (p *memoryPool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, r := range idle {
		r.free()
	}
}

// linearMemory lends a region to one instance; one goroutine at a time uses it. The engine says that it
// is free as soon as the function exits, when the call is still under way, so Free does nothing and the
// instance's owner calls release.
type linearMemory struct {
	slot    *slot // whose call the code runs for
	pool    *memoryPool
	limit   uint64 // at most maxMemory
	region  *region
	refused bool   // it was to grow beyond the limit
	size    uint64 // bytes in use now
}

// Allocate is called once for an instance: it has one memory at most.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate grows the memory in place, or returns nil if it may not be as large. With checkSize it
// ends the code that runs if its call is over.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size == checkSize {
		m.slot.current.goOn()
		return nil
	}
	if size > m.limit {
		m.refused = true
		return nil
	}
	if m.region == nil {
		r, err := m.pool.get()
		if err != nil {
			m.refused = true
			return nil
		}
		m.region = r
	}
	b := m.region.grow(size)
	if b == nil {
		m.refused = true
		return nil
	}
	m.size = size
	return b
}

// Free does nothing; see linearMemory.
func (m *linearMemory) Free() {}

// release gives the memory back. Nothing may use it any more.
func (m *linearMemory) release() {
	if m.region != nil {
		m.pool.put(m.region)
		m.region = nil
	}
}
