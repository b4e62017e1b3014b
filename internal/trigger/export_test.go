package trigger

import (
	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

// Sampler is what decides which events are published, for tests on a clock of their own.
type Sampler struct{ s *sampler }

// NewSampler makes a Sampler that publishes to publish, in no namespace.
func NewSampler(publish func(namespace string, t nex.EventType, data any)) Sampler {
	return Sampler{newSampler(func(t nex.EventType, e nex.FunctionExecuted) { publish("", t, e) })}
}

// Add tells of a call.
func (s Sampler) Add(a agentlink.Answer) { s.s.add("s", 1, a) }

// Close is the sampler's.
func (s Sampler) Close() { s.s.close() }
