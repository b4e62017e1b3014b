package workload

import (
	"slices"
	"sync"

	nex "github.com/nex-engine/nex"
)

// What a journal keeps at most.
const (
	journalLines = nex.MaxLogLines
	journalBytes = 256 << 10
)

// journal keeps the last log lines of a workload, for those who ask after they were published. It
// is safe for concurrent use.
type journal struct {
	mu    sync.Mutex
	lines []nex.LogRecord // those before start are gone
	start int             // index of the oldest line
	bytes int
}

func (j *journal) add(r nex.LogRecord) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, r)
	j.bytes += len(r.Text)
	for len(j.lines)-j.start > journalLines || j.bytes > journalBytes {
		j.bytes -= len(j.lines[j.start].Text)
		j.lines[j.start] = nex.LogRecord{}
		j.start++
	}
	if j.start > journalLines { // move to the front once in a while, not at every line
		j.lines = slices.Delete(j.lines, 0, j.start)
		j.start = 0
	}
}

// last returns the last n lines, oldest first.
func (j *journal) last(workload string, n int) []nex.LogLine {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.lines[j.start:]
	kept = kept[max(0, len(kept)-n):]
	lines := make([]nex.LogLine, len(kept))
	for i, r := range kept {
		lines[i] = nex.LogLine{Workload: workload, LogRecord: r}
	}
	return lines
}
