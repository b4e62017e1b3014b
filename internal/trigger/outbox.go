package trigger

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
)

// maxOutbox bounds the bytes of the results that wait to be sent.
const maxOutbox = 64 << 20

// outbox sends the answers of one function, one after the other, in a goroutine of its own: publishing
// waits for a NATS server that takes nothing, and whoever brings answers must not. It is safe for
// concurrent use.
type outbox struct {
	deliver func(letter)
	wake    chan struct{} // has a token when there is something to do
	ended   chan struct{}

	mu     sync.Mutex
	queue  []letter
	bytes  int // of the queue, and of what is being sent
	closed bool
}

// letter is an answer on its way.
type letter struct {
	endpoint *endpoint
	message  *nats.Msg
	answer   agentlink.Answer
	took     time.Duration
	refused  bool   // the call did not reach the function
	sent     func() // called when it has been sent, or cannot be
}

func newOutbox(deliver func(letter)) *outbox {
	o := &outbox{deliver: deliver, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go o.run()
	return o
}

// put takes an answer and does not wait. When too much waits already, the caller gets an error instead
// of the result.
func (o *outbox) put(l letter) {
	o.mu.Lock()
	if o.bytes+len(l.answer.Payload) > maxOutbox {
		l.answer = agentlink.Answer{Status: function.StatusUnavailable, Message: "the NATS server does not take the function's results as fast as they come: try again"}
	}
	o.bytes += len(l.answer.Payload)
	o.queue = append(o.queue, l)
	o.mu.Unlock()
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (o *outbox) run() {
	defer close(o.ended)
	var batch []letter
	for {
		var closed bool
		batch, closed = o.take(batch)
		if len(batch) == 0 {
			if closed {
				return
			}
			<-o.wake
			continue
		}
		for i, l := range batch {
			o.deliver(l)
			l.sent()
			o.forget(len(l.answer.Payload))
			batch[i] = letter{} // let go of the result
		}
	}
}

// take swaps an empty batch for what waits.
func (o *outbox) take(empty []letter) (batch []letter, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch, o.queue = o.queue, empty[:0]
	return batch, o.closed
}

func (o *outbox) forget(bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= bytes
}

// closeTimeout bounds how long answers that nobody waits for any more are sent.
const closeTimeout = time.Second

// close sends what waits and ends; what a server does not take in time ends with its connection.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.signal()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-o.ended:
	case <-timer.C:
	}
}
