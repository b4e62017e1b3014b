package logpump

import (
	"slices"
	"time"

	nex "github.com/nex-engine/nex"
)

// batch is what the sender has to send over a link.
type batch struct {
	link    Link
	past    bool // it is of the history
	records []nex.LogRecord
}

func (b batch) empty() bool { return len(b.records) == 0 }

func (b batch) send() error {
	if b.past {
		return b.link.History(b.records)
	}
	return b.link.Logs(b.records)
}

// attach sends everything over l that is not heard, after the history.
func (q *queue) attach(l Link) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.link, q.past, q.taken = l, q.history.all(), 0
	q.signal()
}

// heard moves the records up to seq from the queue to the history, as far as they were sent over the link.
func (q *queue) heard(seq uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, cost := 0, 0
	for ; n < q.taken && q.records[n].Seq <= seq; n++ {
		q.history.add(q.records[n].LogRecord)
		cost += q.records[n].cost
	}
	clear(q.records[:n]) // let go of the text
	q.records = q.records[n:]
	if len(q.records) == 0 {
		q.records = nil // what a burst needed is not kept
	}
	q.taken -= n
	q.cost -= cost
	if !q.droppedSince.IsZero() {
		q.signal() // there may be room to say so
	}
}

// take makes a batch of what is to be sent next, as much as fits, with records as its buffer. When there is
// nothing it says how long at most the sender may wait for a signal.
func (q *queue) take(records []nex.LogRecord) (_ batch, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.link == nil {
		return batch{records: records}, forever
	}
	b := batch{link: q.link, past: len(q.past) > 0, records: records}
	if b.past {
		b.records, q.past = fill(b.records, q.past)
	} else {
		wait = q.reportLocked()
		b.records = q.fillLocked(b.records)
	}
	q.sending = !b.empty()
	q.tellSentLocked()
	return b, wait
}

// fill moves records of the history into a batch.
func fill(into, past []nex.LogRecord) (filled, rest []nex.LogRecord) {
	n, cost := 0, 0
	for ; n < len(past); n++ {
		cost += encodedSize(past[n].Text) + recordOverhead
		if n > 0 && cost > BatchBytes {
			break
		}
	}
	return append(into, past[:n]...), past[n:]
}

// fillLocked takes records into a batch.
func (q *queue) fillLocked(into []nex.LogRecord) []nex.LogRecord {
	cost := 0
	for _, r := range q.records[q.taken:] {
		if cost += r.cost; len(into) > 0 && cost > BatchBytes {
			break
		}
		into = append(into, r.LogRecord)
	}
	q.taken += len(into)
	return into
}

// sent is told how sending a batch went. Without a link nothing is sent until there is another.
func (q *queue) sent(b batch, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sending = false
	if err != nil && q.link == b.link {
		q.link, q.past, q.taken = nil, nil, 0
	}
}

// sentAll returns a channel that is closed when there is nothing to send.
func (q *queue) sentAll() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.allSent == nil {
		q.allSent = make(chan struct{})
		q.signal() // the sender knows
	}
	return q.allSent
}

// tellSentLocked tells those who wait for it that there is nothing to send.
func (q *queue) tellSentLocked() {
	if q.allSent != nil && !q.sending && q.droppedSince.IsZero() {
		close(q.allSent)
		q.allSent = nil
	}
}

// history keeps the last records that were heard.
type history struct {
	records []nex.LogRecord // those before start are gone
	start   int
	bytes   int
}

func (h *history) add(r nex.LogRecord) {
	h.records = append(h.records, r)
	h.bytes += len(r.Text)
	for len(h.records)-h.start > HistoryRecords || h.bytes > HistoryBytes {
		h.bytes -= len(h.records[h.start].Text)
		h.records[h.start] = nex.LogRecord{}
		h.start++
	}
	if h.start > HistoryRecords { // move to the front once in a while, not at every record
		h.records = slices.Delete(h.records, 0, h.start)
		h.start = 0
	}
}

// all returns a copy.
func (h *history) all() []nex.LogRecord { return slices.Clone(h.records[h.start:]) }
