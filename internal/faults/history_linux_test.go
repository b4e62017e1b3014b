package faults_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// history is what has happened.
type history struct{ steps []happened }

type happened struct {
	what, name string
	took       time.Duration // from the fault's end until all was well
}

func (h *history) add(s *step, took time.Duration) {
	h.steps = append(h.steps, happened{fmt.Sprintf("%s; well again after %s", s, took.Round(time.Millisecond)), s.fault.name, took})
}

// last are the last faults, one on a line.
func (h *history) last() string {
	const most = 10
	var lines []string
	for _, s := range h.steps[max(0, len(h.steps)-most):] {
		lines = append(lines, s.what)
	}
	return strings.Join(lines, "\n")
}

// summary says of each fault how often it happened and how long it took until all was well again.
func (h *history) summary() string {
	times := map[string][]time.Duration{}
	for _, s := range h.steps {
		times[s.name] = append(times[s.name], s.took)
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(times)) {
		t := times[name]
		slices.Sort(t)
		lines = append(lines, fmt.Sprintf("%4d %-32s median %6s, longest %6s", len(t), name, t[len(t)/2].Round(time.Millisecond), t[len(t)-1].Round(time.Millisecond)))
	}
	return strings.Join(lines, "\n")
}
