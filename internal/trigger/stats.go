package trigger

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
)

// endpoint is one trigger subject with its counts.
type endpoint struct {
	name, subject string

	mu        sync.Mutex
	calls     uint64
	ran       uint64 // of them reached the function
	errors    uint64
	lastError string
	took      time.Duration // together
}

// newEndpoints gives each subject a name that a micro service's endpoint may have.
func newEndpoints(subjects []string) []*endpoint {
	list := make([]*endpoint, len(subjects))
	taken := make(map[string]bool, len(subjects))
	for i, subject := range subjects {
		name := endpointName(subject)
		if taken[name] {
			name += "-" + strconv.Itoa(i+1)
		}
		taken[name] = true
		list[i] = &endpoint{name: name, subject: subject}
	}
	return list
}

// endpointName makes js-echo of js.echo.
func endpointName(subject string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
			return c
		}
		return '-'
	}, subject)
}

func (e *endpoint) count(l letter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	e.took += l.took
	if !l.refused {
		e.ran++
	}
	if l.answer.Status != 0 {
		e.errors++
		e.lastError = fmt.Sprintf("%d:%s", l.answer.Status, l.answer.Message)
	}
}

// Memory notes how much memory the function's agent uses, in bytes.
func (f *Function) Memory(bytes int64) { f.memory.Store(bytes) }

// Stats returns what has been counted since New.
func (f *Function) Stats() nex.CallStats {
	q := f.latency.quantiles(0.5, 0.99)
	s := nex.CallStats{
		Refused: f.refused.Load(), InFlight: int(f.calls.Load()), MemoryBytes: f.memory.Load(),
		P50Nanos: int64(q[0]), P99Nanos: int64(q[1]),
	}
	for _, e := range f.endpoints {
		e.mu.Lock()
		s.Total += e.calls
		s.Errors += e.errors
		e.mu.Unlock()
	}
	return s
}
