package escape_test

import (
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/nextest"
)

// witness makes things go on in the control account, listens there, and tells what it has heard to those that
// attack, in their own accounts: see testdata/intruder/bus.go.
type witness struct {
	control *nats.Conn
	tell    []*nats.Conn
	stop    chan struct{}
	talked  chan struct{}

	mu    sync.Mutex
	heard []string // marks
}

const (
	roundSubject = "$NEX.separation.round"
	// deliverySubject is listened to without wildcards: consumers deliver to nobody else.
	deliverySubject = "$NEX.events.default.delivered"
	// roundPause is the time between two rounds.
	roundPause = 5 * time.Millisecond
)

var mark = regexp.MustCompile(`mark-([A-Za-z0-9]+)`)

// goesOn is what goes on in a round. Some of it is answered by the node.
var goesOn = []string{
	"$NEX.PING", "$NEX.INFO.default.nobody", "$NEX.DEPLOY.default.nobody", "$NEX.STOP.default.nobody", "$NEX.events.default.workload_state",
	"$NEX.logs.default.nobody.w.id", "$SRV.PING.nobody", "$KV.others.key",
}

// newWitness starts a witness, which ends with the test.
func newWitness(t *testing.T, control *nats.Conn, tell ...*nats.Conn) *witness {
	t.Helper()
	w := &witness{control: control, tell: append(tell, control), stop: make(chan struct{}), talked: make(chan struct{})}
	all, err := control.Subscribe("$NEX.>", w.hear)
	must(t, err, all.SetPendingLimits(-1, -1))
	delivery, err := control.Subscribe(deliverySubject, w.hear)
	must(t, err, control.Flush())
	go w.talk()
	t.Cleanup(func() {
		close(w.stop)
		<-w.talked
		must(t, all.Unsubscribe(), delivery.Unsubscribe())
	})
	return w
}

func (w *witness) talk() {
	defer close(w.talked)
	tick := time.NewTicker(roundPause)
	defer tick.Stop()
	inbox := w.control.NewInbox()
	for {
		for _, subject := range goesOn {
			_ = w.control.PublishRequest(subject, inbox, []byte(`{"said":"of the control account"}`)) // fails with the connection, and then there are no ticks
		}
		_ = w.control.Publish(roundSubject, nil)
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
	}
}

// hear tells on of marks, and of rounds after all that was before.
func (w *witness) hear(m *nats.Msg) {
	if m.Subject == roundSubject {
		w.say("separation.tick")
		return
	}
	for _, found := range mark.FindAllStringSubmatch(fmt.Sprintln(m.Subject, m.Header, string(m.Data)), -1) {
		w.mu.Lock()
		w.heard = append(w.heard, found[1])
		w.mu.Unlock()
		w.say("separation.heard." + found[1])
	}
}

func (w *witness) say(subject string) {
	for _, nc := range w.tell {
		_ = nc.Publish(subject, nil) // see talk
	}
}

// wantNothing checks that nobody was heard so far who should not be.
func (w *witness) wantNothing(t *testing.T) {
	t.Helper()
	must(t, w.control.FlushTimeout(nextest.Patience))
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.heard) > 0 {
		t.Errorf("the control account has heard %q of others", w.heard)
	}
}
