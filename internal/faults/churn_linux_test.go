package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
)

// churn deploys and stops workloads all the time, on whatever node. A request that is not answered may have
// been obeyed or not: what became of it is found out when all is well again.
type churn struct {
	w   *world
	rng *rand.Rand
	end func() // ends it, when its round is over

	turn   sync.Mutex // held during a round
	rounds int
	// stopped are the workloads that were stopped, and say so; they must not run.
	mu      sync.Mutex
	stopped map[string]bool
	refused map[string]int // what the nodes said, by code
}

// churnPrefix begins the names of its workloads.
const churnPrefix = "churn-"

// startChurn begins with it; it ends with the test, if not before.
func startChurn(t *testing.T, w *world, rng *rand.Rand) *churn {
	c := &churn{w: w, rng: rng, stopped: map[string]bool{}, refused: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			c.turn.Lock()
			c.round(ctx)
			c.turn.Unlock()
			c.rest(ctx)
		}
	})
	c.end = func() {
		cancel()
		group.Wait()
	}
	t.Cleanup(c.end)
	return c
}

// rest lets others in, too.
func (c *churn) rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
}

// round deploys one workload and stops it soon, or in the midst of its start.
func (c *churn) round(ctx context.Context) {
	c.rounds++
	n := c.w.nodes[c.rng.IntN(len(c.w.nodes))]
	name := fmt.Sprintf("%s%d", churnPrefix, c.rounds)
	kind, policy, args := nex.TypeNative, nex.RestartNever, []string{name}
	switch c.rng.IntN(4) {
	case 0:
		kind = nex.TypeV8
	case 1: // it crashes again and again
		policy, args = nex.RestartAlways, []string{"-crash", "20ms", name}
	case 2:
		policy = nex.RestartAlways
	}
	lives := time.Duration(c.rng.Int64N(int64(200 * time.Millisecond)))
	answer, err := c.w.client.Deploy(ctx, c.w.deployment(name, n, kind, policy, args...))
	if err != nil {
		c.note(err)
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(lives):
	}
	if err := c.w.stop(ctx, n, answer.ID, name); err != nil {
		c.note(err)
		return
	}
	c.hasStopped(name)
}

func (c *churn) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[string(nex.CodeOf(err))]++
}

func (c *churn) hasStopped(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped[name] = true
}

// settle stops what is left of it, according to nodes that answer. The error says what is left; it is final if
// it was stopped before.
func (c *churn) settle(ctx context.Context, s sight) error {
	for id, m := range s.known {
		name := m.Workload.Name
		if !strings.HasPrefix(name, churnPrefix) || m.State.Ended() {
			continue
		}
		c.mu.Lock()
		back := c.stopped[name]
		c.mu.Unlock()
		if back {
			return final{fmt.Errorf("%s was stopped, and is %s: %s", name, m.State, m.Reason)}
		}
		if err := c.w.stop(ctx, s.on[id], id, name); err != nil {
			return fmt.Errorf("stop %s, which a node was asked to start during the fault: %w", name, err)
		}
		c.hasStopped(name)
		return fmt.Errorf("%s was to be stopped", name) // look again
	}
	for name := range s.answering {
		if strings.HasPrefix(name, churnPrefix) {
			return fmt.Errorf("%s answers, and no node knows of it", name)
		}
	}
	for mark := range s.marks {
		if strings.HasPrefix(mark, churnPrefix) {
			return fmt.Errorf("of %s a process runs, and no node knows of it", mark)
		}
	}
	return nil
}
