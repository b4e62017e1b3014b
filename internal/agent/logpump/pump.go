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

// Pump carries the log of one run of a workload.
type Pump struct {
	queue *queue
	send  func([]nex.LogRecord) error
}

// New makes a Pump for the workload with the id. It calls send with batches of records in the order
// of their Seq, from one goroutine, each time with a slice that is valid during the call only. An
// error of send means that those records are lost; they are reported like dropped ones.
func New(id string, send func([]nex.LogRecord) error) *Pump {
	return &Pump{queue: newQueue(id), send: send}
}

// Run carries the streams until each has ended and what they brought is sent. To end it early, make
// reading from the streams and send return. It may be called once.
func (p *Pump) Run(streams ...Stream) {
	var reading, sending sync.WaitGroup
	sending.Go(p.sendAll)
	for _, s := range streams {
		r := newReader(source{name: s.Name, level: s.Level}, p.queue)
		reading.Go(func() { r.read(s.From) })
	}
	reading.Wait()
	p.queue.close()
	sending.Wait()
}

// RunUntil carries what is given to Print, until done is closed and that is sent. It is called
// instead of Run.
func (p *Pump) RunUntil(done <-chan struct{}) {
	var sending sync.WaitGroup
	sending.Go(p.sendAll)
	<-done
	p.queue.close()
	sending.Wait()
}

// Print takes one line of a stream, or drops it if the rate is over its limit, which is reported. It
// never waits and is safe for concurrent use.
func (p *Pump) Print(stream string, level slog.Level, line string) {
	p.queue.offer(source{name: stream, level: level}, []byte(line))
}

// sendAll sends what is in the queue as soon as it is there, until the queue is closed and empty.
func (p *Pump) sendAll() {
	var batch []nex.LogRecord
	for {
		var wait time.Duration
		var done bool
		batch, wait, done = p.queue.take(batch[:0])
		switch {
		case len(batch) > 0:
			if err := p.send(batch); err != nil {
				p.lost(batch)
			}
			clear(batch)
		case done:
			return
		default:
			p.await(wait)
		}
	}
}

func (p *Pump) await(atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-p.queue.wake:
	case <-timer.C:
	}
}

// lost counts records that could not be sent, except for those that say the same of others: else
// a receiver that is gone for good would be told of it for ever.
func (p *Pump) lost(batch []nex.LogRecord) {
	var lines, bytes uint64
	for _, r := range batch {
		if r.Stream != nex.StreamNex {
			lines++
			bytes += uint64(len(r.Text))
		}
	}
	if lines > 0 {
		p.queue.lost(lines, bytes)
	}
}
