package logpump

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
)

// reason says why records were dropped.
type reason int

const (
	tooFast reason = iota // the program is over its rate
	tooSlow               // the receiver does not keep up, or is away
	reasons
)

// because ends the sentence that says that lines were dropped.
var because = [reasons]string{
	tooFast: fmt.Sprintf("the program writes more than %d lines or %d MiB per second", LinesPerSecond, BytesPerSecond>>20),
	tooSlow: "the node was away, or does not take them fast enough",
}

// drops counts what was dropped and not reported yet.
type drops struct {
	lines, bytes uint64
}

// queued is a record with what it takes on the link.
type queued struct {
	nex.LogRecord
	cost int
}

// queue is what the readers fill and the sender empties. It is safe for concurrent use.
type queue struct {
	id string
	// wake has a token when the sender has something new to look at.
	wake chan struct{}

	mu           sync.Mutex
	lines, bytes bucket
	records      []queued // that were not heard
	taken        int      // the first so many of records were given to the sender for link
	cost         int      // of records
	seq          uint64
	dropped      [reasons]drops
	droppedSince time.Time // of the first of dropped; zero if there are none
	ended        bool

	link    Link            // nil while there is none
	past    []nex.LogRecord // what link is still to be sent of the history
	history history
	sending bool          // the sender has a batch
	allSent chan struct{} // closed when there is nothing to send; nil while nobody waits for it
}

func newQueue(id string) *queue {
	return &queue{
		id:    id,
		wake:  make(chan struct{}, 1),
		lines: newBucket(LinesPerSecond, LineBurst),
		bytes: newBucket(BytesPerSecond, ByteBurst),
	}
}

// offer takes a line, or drops it and returns why; text is copied. It never waits.
func (q *queue) offer(s source, text []byte) (why reason, ok bool) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lines.refill(now)
	q.bytes.refill(now)
	switch {
	case q.lines.tokens < 1 || q.bytes.tokens <= 0:
		q.dropLocked(tooFast, 1, uint64(len(text)))
		return tooFast, false
	case q.fullLocked():
		q.dropLocked(tooSlow, 1, uint64(len(text)))
		return tooSlow, false
	}
	q.lines.tokens--
	for valid := strings.ToValidUTF8(string(text), "\uFFFD"); ; {
		// The replacement is longer than what it replaces.
		n := wholeRunes(valid, nex.MaxLogLine)
		size := encodedSize(valid[:n])
		q.bytes.tokens -= float64(size)
		q.pushLocked(size, nex.LogRecord{Text: valid[:n], Level: int(s.level), Stream: s.name, Time: now.UTC()})
		if valid = valid[n:]; valid == "" {
			return 0, true
		}
	}
}

func (q *queue) fullLocked() bool { return len(q.records) >= QueueRecords || q.cost >= QueueBytes }

// drop counts lines that nobody offered because others were refused just before.
func (q *queue) drop(why reason, lines, bytes uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropLocked(why, lines, bytes)
}

func (q *queue) dropLocked(why reason, lines, bytes uint64) {
	q.seq += lines // the gap says where they are missing
	q.countLocked(why, lines, bytes)
}

func (q *queue) countLocked(why reason, lines, bytes uint64) {
	q.dropped[why].lines += lines
	q.dropped[why].bytes += bytes
	if q.droppedSince.IsZero() {
		q.droppedSince = time.Now()
		q.signal()
	}
}

func (q *queue) pushLocked(size int, r nex.LogRecord) {
	q.seq++
	r.Seq, r.ID = q.seq, q.id
	q.records = append(q.records, queued{r, size + recordOverhead})
	q.cost += size + recordOverhead
	if len(q.records) == q.taken+1 {
		q.signal()
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// encodedSize is how long a text is as JSON, where some characters become an escape sequence.
func encodedSize(text string) int {
	size := len(text)
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c == '<', c == '>', c == '&':
			size += len(`\u0000`) - 1
		case c == '"', c == '\\':
			size++
		}
	}
	return size
}

// end says that no more lines come.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.signal()
}

// forever is how long the sender waits that waits for a signal.
const forever = time.Hour

// reportLocked turns drops into records once they have waited long enough; otherwise it returns how
// long they still have to, which is for ever if there are none.
func (q *queue) reportLocked() time.Duration {
	if q.droppedSince.IsZero() {
		return forever
	}
	if !q.ended {
		if rest := ReportEvery - time.Since(q.droppedSince); rest > 0 {
			return rest
		}
		if q.fullLocked() {
			return forever // until some are heard
		}
	}
	for why, d := range q.dropped {
		if d.lines == 0 {
			continue
		}
		text := fmt.Sprintf("%d log lines (%d bytes) were dropped: %s", d.lines, d.bytes, because[why])
		q.pushLocked(len(text), nex.LogRecord{
			Text:   text,
			Level:  int(slog.LevelWarn),
			Stream: nex.StreamNex,
			Time:   time.Now().UTC(),
		})
	}
	q.dropped, q.droppedSince = [reasons]drops{}, time.Time{}
	return forever
}
