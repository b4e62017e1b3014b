package escape_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// pause is the time between two requests to the neighbour.
	pause = 5 * time.Millisecond
	// slower is how much slower the neighbour's median answer may become, and how slow it may be in any
	// case, on a busy machine with the race detector.
	slower, slow = 20, 100 * time.Millisecond
	// longest is how long any answer may take.
	longest = 5 * time.Second
	// enough is how many answers a median takes.
	enough = 25
)

// unharmed measures how fast the neighbour answers before and during an attack, which is repeated while
// it was too short for that.
func (r *rig) unharmed(t *testing.T, attack func()) {
	t.Helper()
	calm, err := r.latencies(make(chan struct{}), 100, func() {})
	if err != nil {
		t.Fatalf("the neighbour: %v", err)
	}
	over, measured := make(chan struct{}), make(chan error, 1)
	var busy []time.Duration
	var answers atomic.Int64
	go func() {
		var err error
		busy, err = r.latencies(over, 1<<20, func() { answers.Add(1) })
		measured <- err
	}()
	func() {
		defer close(over)
		for attack(); answers.Load() < enough && len(measured) == 0 && !t.Failed(); {
			attack()
		}
	}()
	if err := <-measured; err != nil {
		t.Errorf("the neighbour, during the attack: %v", err)
		return
	}
	t.Logf("neighbour before: %s; during: %s", quantiles(calm), quantiles(busy))
	if median := busy[len(busy)/2]; median > max(slow, slower*calm[len(calm)/2]) {
		t.Errorf("the neighbour answers in %s, before in %s", median, calm[len(calm)/2])
	}
}

// latencies asks the neighbour until it is over, or so often, tells of each answer, and returns the
// times in order.
func (r *rig) latencies(over <-chan struct{}, most int, answered func()) ([]time.Duration, error) {
	var times []time.Duration
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range most {
		began := time.Now()
		if _, err := r.ask(neighbour, longest, "ping"); err != nil {
			return nil, fmt.Errorf("no answer after %s: %w", time.Since(began), err)
		}
		times = append(times, time.Since(began))
		answered()
		select {
		case <-over:
			slices.Sort(times)
			return times, nil
		case <-tick.C:
		}
	}
	if len(times) == 0 {
		return nil, errors.New("nothing was measured")
	}
	slices.Sort(times)
	return times, nil
}

func quantiles(sorted []time.Duration) string {
	at := func(q float64) time.Duration {
		return sorted[int(q*float64(len(sorted)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %s, p99 %s, longest %s of %d", at(0.5), at(0.99), at(1), len(sorted))
}
