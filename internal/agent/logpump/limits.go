package logpump

import (
	"time"

	nex "github.com/nex-engine/nex"
)

// What a workload may log: a token bucket for lines and one for bytes, both streams together. Bytes
// are those of the text as it goes over the link, where JSON makes six of a control character. A workload that stays below the rates
// never loses a line; the bursts are there for
// programs that say much when they start or die.
const (
	LinesPerSecond = 2_000
	LineBurst      = 10_000
	BytesPerSecond = 4 << 20
	ByteBurst      = 8 << 20
)

// The queue holds a burst and no more, so that it fills only when the receiver does not keep up, or is away.
const (
	QueueRecords = LineBurst + LinesPerSecond
	QueueBytes   = ByteBurst + BytesPerSecond/4
)

// What is kept of the records that were heard: as much as a node keeps of a workload's log.
const (
	HistoryRecords = nex.MaxLogLines
	HistoryBytes   = 256 << 10 // of text
)

const (
	// BatchBytes bounds a batch, counting recordOverhead for each record besides its text. A record
	// that is larger, as one of control characters may be, goes alone.
	BatchBytes = 64 << 10
	// QuietTime is how long the program has to be silent before the beginning of a line is sent
	// without its end, so that a prompt is seen.
	QuietTime = 200 * time.Millisecond
	// ReportEvery is the longest time for which dropped lines remain unreported.
	ReportEvery = time.Second
)

// recordOverhead is roughly what a record takes besides its text, in memory and as JSON.
const recordOverhead = 128

// readSize is how much of a stream is read at once: as much as a pipe holds.
const readSize = 64 << 10

// window is how many bytes have to be seen before a line counts as too long for one record: those
// that fit, and the two that can end it.
const window = nex.MaxLogLine + len("\r\n")

// bucket is a token bucket. What is taken may exceed what is left, once: then nothing is left until
// the debt is paid. So no line is too large ever to pass.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Time
}

func newBucket(rate, burst float64) bucket {
	return bucket{rate: rate, burst: burst, tokens: burst}
}

// refill brings the bucket to now.
func (b *bucket) refill(now time.Time) {
	if !b.at.IsZero() {
		b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.at).Seconds())
	}
	b.at = now
}
