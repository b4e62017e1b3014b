package sandboxdir

import (
	"fmt"
	"sync"
)

// Owned are the sandboxes that this node process has started or taken over. The zero value has none. It is safe
// for concurrent use.
type Owned struct {
	mu  sync.Mutex
	ids map[string]bool
}

// Take adds a sandbox, and fails if it is there already.
func (o *Owned) Take(id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ids[id] {
		return fmt.Errorf("sandbox %s is in use already", id)
	}
	if o.ids == nil {
		o.ids = map[string]bool{}
	}
	o.ids[id] = true
	return nil
}

// Release removes a sandbox, of which nothing is left or which could not be taken over.
func (o *Owned) Release(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.ids, id)
}

// Has reports whether the sandbox is there. A nil Owned has none.
func (o *Owned) Has(id string) bool {
	if o == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ids[id]
}
