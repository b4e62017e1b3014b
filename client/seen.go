package client

import nex "github.com/nex-engine/nex"

// How much is remembered to tell what comes again after an outage from what is new.
const (
	rememberedRuns   = 1 << 10
	rememberedEvents = 1 << 13
	// rememberedLines of a run, up to the newest; older ones count as seen. It is a multiple of 64.
	rememberedLines = 1 << 14
)

// recent remembers values by key, at least the last so many keys that were added.
type recent[V any] struct {
	size     int
	now, old map[string]V
}

func newRecent[V any](size int) *recent[V] { return &recent[V]{size: size, now: map[string]V{}} }

func (r *recent[V]) get(key string) (V, bool) {
	v, ok := r.now[key]
	if !ok {
		v, ok = r.old[key]
	}
	return v, ok
}

func (r *recent[V]) add(key string, v V) {
	if len(r.now) >= r.size {
		r.now, r.old = map[string]V{}, r.now
	}
	r.now[key] = v
}

// seenEvents tells events apart by their ids.
type seenEvents struct{ ids *recent[struct{}] }

func newSeenEvents() seenEvents { return seenEvents{newRecent[struct{}](rememberedEvents)} }

// first reports whether an event was not seen before; one without an id never was.
func (s seenEvents) first(e nex.Event) bool {
	if e.ID == "" {
		return true
	}
	_, again := s.ids.get(e.ID)
	if !again {
		s.ids.add(e.ID, struct{}{})
	}
	return !again
}

// seenLines tells lines apart by their run and number.
type seenLines struct{ runs *recent[*lineWindow] }

func newSeenLines() seenLines { return seenLines{newRecent[*lineWindow](rememberedRuns)} }

// first reports whether a line was not seen before; one that has no run or number never was.
func (s seenLines) first(r nex.LogRecord) bool {
	if r.Run == "" || r.Seq == 0 {
		return true
	}
	w, ok := s.runs.get(r.Run)
	if !ok {
		w = &lineWindow{}
		s.runs.add(r.Run, w)
	}
	return w.first(r.Seq)
}

// lineWindow are the lines of one run, a bit each.
type lineWindow struct {
	newest uint64
	seen   [rememberedLines / 64]uint64
}

func (w *lineWindow) first(seq uint64) bool {
	switch {
	case seq > w.newest && seq-w.newest >= rememberedLines:
		clear(w.seen[:])
		w.newest = seq
	case seq > w.newest:
		for n := w.newest + 1; n <= seq; n++ { // lines that are skipped may come yet
			word, bit := place(n)
			w.seen[word] &^= bit
		}
		w.newest = seq
	case w.newest-seq >= rememberedLines:
		return false
	}
	word, bit := place(seq)
	again := w.seen[word]&bit != 0
	w.seen[word] |= bit
	return !again
}

func place(seq uint64) (word, bit uint64) { return seq % rememberedLines / 64, 1 << (seq % 64) }
