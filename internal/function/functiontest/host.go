package functiontest

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/nex-engine/nex/internal/hostapi"
)

// host is a key-value store for guests. One that holds answers get only when it is told to.
type host struct {
	holds   bool
	arrived chan struct{} // one for each get that is held
	release chan struct{} // one lets one go on

	mu     sync.Mutex
	values map[string][]byte
	held   int // now
	gets   int // ever
}

func newHost(holds bool) *host {
	// Room for more than any check has in flight: a request that arrives does not wait to say so.
	return &host{holds: holds, arrived: make(chan struct{}, 64), release: make(chan struct{}), values: map[string][]byte{}}
}

func (h *host) Request(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
	var key hostapi.KeyRequest
	if err := json.Unmarshal(r.Meta, &key); err != nil {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInvalid, "the metadata %q is no key", r.Meta)
	}
	switch {
	case r.Service == hostapi.KV && r.Method == "set":
		h.set(key.Key, string(r.Body))
		return hostapi.Response{}, nil
	case r.Service == hostapi.KV && r.Method == "get":
		return h.get(ctx, key.Key)
	}
	return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInvalid, "there is no %s %s", r.Service, r.Method)
}

func (h *host) set(key, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.values[key] = []byte(value)
}

func (h *host) get(ctx context.Context, key string) (hostapi.Response, error) {
	h.count(1, 1)
	defer h.count(0, -1)
	if h.holds {
		h.arrived <- struct{}{}
		select {
		case <-h.release:
		case <-ctx.Done():
			return hostapi.Response{}, hostapi.Errorf(hostapi.CodeTimeout, "the call has ended")
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	value, ok := h.values[key]
	if !ok {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeNotFound, "there is no key %q", key)
	}
	return hostapi.Response{Body: value}, nil
}

func (h *host) count(gets, held int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gets += gets
	h.held += held
}

// counts are how many gets there have been, and how many are held now.
func (h *host) counts() (gets, held int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gets, h.held
}
