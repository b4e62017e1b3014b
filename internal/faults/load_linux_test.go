package faults_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// load calls every workload all the time and keeps the books of the calls, each of which has a number. The
// subject "ledger" gets the number from whoever executes a call.
//
// NATS delivers a request at most once, and nobody here sends one twice. So a call that was executed or answered
// twice is a fault of the node, whatever happens. A request can get lost with a server or a way to it, and with
// who was to answer it: a function's call with its node, a service's with the service. Otherwise it is answered,
// be it with an error.
type load struct {
	nc    *nats.Conn
	inbox string
	end   chan struct{}
	group sync.WaitGroup

	mu       sync.Mutex
	pending  map[int]call
	executed []uint8 // by number: how often
	answered []uint8
	since    map[string]time.Time // the start of the last call that succeeded, by name
	faults   []window             // when calls can get lost, the last one open perhaps
	problems []string
	sums     struct{ sent, succeeded, refused, lost int }
}

type call struct {
	name     string
	function bool
	sent     time.Time
}

// window is the time of a fault.
type window struct {
	from, to  time.Time // to is zero while it lasts
	functions bool      // calls of functions get lost, too
}

const (
	callEvery = 50 * time.Millisecond
	// standIn is how long after its deadline the node answers a call in place of an agent that does not.
	standIn = 2 * time.Second
	// callDeadline is when a call that is not answered is lost, with a margin for a busy machine.
	callDeadline = callTimeout + standIn + 3*time.Second
)

// startLoad calls workloads, those of one name in turn as NATS has it, until the test ends.
func startLoad(t *testing.T, nc *nats.Conn, mix []*workload) *load {
	t.Helper()
	l := &load{nc: nc, inbox: nats.NewInbox(), end: make(chan struct{}), pending: map[int]call{}, since: map[string]time.Time{}}
	for subject, handle := range map[string]nats.MsgHandler{"ledger": l.ledger, l.inbox + ".*": l.answer} {
		_, err := nc.Subscribe(subject, handle)
		must(t, err)
	}
	must(t, nc.Flush())
	targets := map[string]bool{}
	for _, x := range mix {
		targets[x.name] = x.function()
	}
	l.group.Go(func() { l.run(targets) })
	t.Cleanup(l.stop)
	return l
}

func (l *load) stop() {
	close(l.end)
	l.group.Wait()
}

// run sends a call to each every now and then, and finds those that were not answered.
func (l *load) run(targets map[string]bool) {
	ticker := time.NewTicker(callEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.end:
			return
		case <-ticker.C:
		}
		for _, name := range slices.Sorted(maps.Keys(targets)) {
			l.send(call{name: name, function: targets[name], sent: time.Now()})
		}
		l.expire()
	}
}

func (l *load) send(c call) {
	l.mu.Lock()
	number := len(l.answered)
	l.answered, l.executed = append(l.answered, 0), append(l.executed, 0)
	l.pending[number] = c
	l.sums.sent++
	l.mu.Unlock()
	text := strconv.Itoa(number)
	if err := l.nc.PublishRequest(c.name, l.inbox+"."+text, []byte(text)); err != nil { // there is no server
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.pending, number)
		l.sums.sent--
	}
}

func (l *load) ledger(m *nats.Msg) {
	number, err := strconv.Atoi(string(m.Data))
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || number >= len(l.executed) {
		l.problemLocked("the call %q was executed, which nobody made", m.Data)
		return
	}
	if l.executed[number]++; l.executed[number] > 1 {
		l.problemLocked("call %d was executed twice", number)
	}
}

func (l *load) answer(m *nats.Msg) {
	text := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	number, err := strconv.Atoi(text)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || number >= len(l.answered) {
		l.problemLocked("there is an answer to call %q, which nobody made", text)
		return
	}
	if l.answered[number]++; l.answered[number] > 1 {
		l.problemLocked("call %d was answered twice", number)
	}
	c, waits := l.pending[number]
	if !waits { // it was given up
		return
	}
	delete(l.pending, number)
	switch {
	case len(m.Header) > 0: // no responders, or an error
		l.sums.refused++
	case string(m.Data) != text:
		l.problemLocked("the answer to call %d of %s is %q", number, c.name, m.Data)
	default:
		l.sums.succeeded++
		if c.sent.After(l.since[c.name]) {
			l.since[c.name] = c.sent
		}
	}
}

// expire finds calls that are lost.
func (l *load) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for number, c := range l.pending {
		if time.Since(c.sent) < callDeadline {
			continue
		}
		delete(l.pending, number)
		l.sums.lost++
		if !l.excusedLocked(c) {
			l.problemLocked("call %d of %s was not answered within %s; it was sent at %s", number, c.name, callDeadline, c.sent.Format(clockFormat))
		}
	}
}

// excusedLocked reports whether a fault is to blame: one that began before the call's deadline, and was not
// over when the call was sent.
func (l *load) excusedLocked(c call) bool {
	return slices.ContainsFunc(l.faults, func(f window) bool {
		return (f.functions || !c.function) && f.from.Before(c.sent.Add(callDeadline)) && (f.to.IsZero() || f.to.After(c.sent))
	})
}

// fault says that calls may get lost until healed is called.
func (l *load) fault(functions bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const remembered = 20 // longer than any call is
	l.faults = append(l.faults[max(0, len(l.faults)-remembered):], window{from: time.Now(), functions: functions})
}

func (l *load) healed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[len(l.faults)-1].to = time.Now()
}

// served are the names that have answered a call that was made since then.
func (l *load) served(name string, since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since[name].After(since)
}

// problemLocked notes what must not happen, whatever the fault.
func (l *load) problemLocked(format string, args ...any) {
	const most = 20
	if len(l.problems) < most {
		l.problems = append(l.problems, fmt.Sprintf(format, args...))
	}
}

// verdict is what must not have happened.
func (l *load) verdict() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.problems)
}

func (l *load) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d calls: %d succeeded, %d failed with an error, %d got lost in faults", l.sums.sent, l.sums.succeeded, l.sums.refused, l.sums.lost)
}
