package functiontest

import (
	"slices"
	"sync"

	"github.com/nex-engine/nex/internal/function"
)

// recorder keeps what guests print.
type recorder struct {
	mu      sync.Mutex
	lines   []function.LogLine
	changed chan struct{} // closed, and made anew, with each line
}

func newRecorder() *recorder { return &recorder{changed: make(chan struct{})} }

func (r *recorder) add(l function.LogLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
	close(r.changed)
	r.changed = make(chan struct{})
}

// all are the lines so far; the channel is closed when there is another.
func (r *recorder) all() ([]function.LogLine, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines), r.changed
}

// await waits until as many lines as wanted are there that meet the condition, and returns them; with
// fewer when over is closed before.
func (r *recorder) await(wanted int, over <-chan struct{}, meets func(function.LogLine) bool) []function.LogLine {
	for {
		lines, changed := r.all()
		lines = slices.DeleteFunc(lines, func(l function.LogLine) bool { return !meets(l) })
		if len(lines) >= wanted {
			return lines
		}
		select {
		case <-changed:
		case <-over:
			return lines
		}
	}
}
