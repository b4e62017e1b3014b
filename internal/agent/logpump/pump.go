package logpump

import (
	"io"
	"log/slog"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
)

// Stream is one of the streams that a program writes.
type Stream struct {
	Name  string     // nex.StreamStdout or nex.StreamStderr
	Level slog.Level // of its lines
	From  io.Reader
}

// Link is a way to the receiver of log records. Its functions are called from one goroutine, each time with a
// slice that is valid during the call only. An error means that the link is lost.
type Link interface {
	// Logs sends records.
	Logs([]nex.LogRecord) error
	// History sends records that were heard before. It is called before Logs, if at all.
	History([]nex.LogRecord) error
}

// Pump carries the log of one run of a workload. It is safe for concurrent use.
type Pump struct {
	queue   *queue
	closing chan struct{} // closed by Close
	sending sync.WaitGroup
}

// New makes a Pump for the workload with the id. The caller closes it.
func New(id string) *Pump {
	p := &Pump{queue: newQueue(id), closing: make(chan struct{})}
	p.sending.Go(p.sendAll)
	return p
}

// Close ends sending; what was not sent is lost. It waits for the Link, if that is being used. Call it once.
func (p *Pump) Close() {
	close(p.closing)
	p.sending.Wait()
}

// Attach sends records over l from now on, in the order of their Seq: those of the history, then those that
// were not heard, whether or not they were sent over another Link before.
func (p *Pump) Attach(l Link) { p.queue.attach(l) }

// Heard says that the records up to the one with seq need not be kept. It counts for records that were sent
// over the present Link.
func (p *Pump) Heard(seq uint64) { p.queue.heard(seq) }

// Run takes in what the streams bring until each has ended, and says then that no more lines come. To end it
// early, make reading from the streams return. It may be called once.
func (p *Pump) Run(streams ...Stream) {
	var reading sync.WaitGroup
	for _, s := range streams {
		r := newReader(source{name: s.Name, level: s.Level}, p.queue)
		reading.Go(func() { r.read(s.From) })
	}
	reading.Wait()
	p.End()
}

// Print takes one line of a stream, or drops it if the rate is over its limit, which is reported. It
// never waits.
func (p *Pump) Print(stream string, level slog.Level, line string) {
	p.queue.offer(source{name: stream, level: level}, []byte(line))
}

// End says that no more lines come, so that what was dropped is reported at once.
func (p *Pump) End() { p.queue.end() }

// Sent returns a channel that is closed when there is nothing to send.
func (p *Pump) Sent() <-chan struct{} { return p.queue.sentAll() }

// sendAll sends what is in the queue as soon as it is there and there is a Link, until Close.
func (p *Pump) sendAll() {
	var records []nex.LogRecord
	for {
		b, wait := p.queue.take(records[:0])
		if b.empty() {
			if !p.await(wait) {
				return
			}
			continue
		}
		p.queue.sent(b, b.send())
		records = b.records
		clear(records)
		if isClosed(p.closing) {
			return
		}
	}
}

// await waits for something to do. It reports false if that is the end.
func (p *Pump) await(atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-p.queue.wake:
	case <-timer.C:
	case <-p.closing:
		return false
	}
	return true
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
