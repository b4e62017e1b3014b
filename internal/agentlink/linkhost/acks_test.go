package linkhost_test

import (
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/nextest"
)

// acked is an agent that has sent log records, and what it has heard of them.
type acked struct {
	*agentlink.Conn
	link  *linkhost.Link
	heard chan uint64
}

// deployAcked deploys a program whose events ask with heard.
func deployAcked(t *testing.T, heard func(func())) acked {
	t.Helper()
	a := acked{heard: make(chan uint64, 10_000)}
	a.link, a.Conn = dial(t, &handler{heard: func(seq uint64) { a.heard <- seq }})
	events := ignored
	events.Heard = heard
	if _, err := a.link.Deploy(t.Context(), agentlink.Deploy{}, events); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a acked) log(t *testing.T, seqs ...uint64) {
	t.Helper()
	for _, seq := range seqs {
		if err := a.Logs([]nex.LogRecord{{Text: "x", Seq: seq}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.link.CatchUp(t.Context()); err != nil { // what was sent has arrived when it is
		t.Fatal(err)
	}
}

// await returns how many acknowledgements it took to hear of seq.
func (a acked) await(t *testing.T, seq uint64) (count int) {
	t.Helper()
	timeout := time.After(nextest.Patience)
	for last := uint64(0); last < seq; count++ {
		select {
		case got := <-a.heard:
			if got <= last || got > seq {
				t.Fatalf("acknowledgement of %d after one of %d, want up to %d", got, last, seq)
			}
			last = got
		case <-timeout:
			t.Fatalf("no acknowledgement of %d, but one of %d", seq, last)
		}
	}
	return count
}

// Records are acknowledged once nobody can lose them: one acknowledgement for many, and one question at a time.
func TestLogsAreAcknowledged(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked, most := 0, 0
	waiting := make(chan func(), 10_000)
	a := deployAcked(t, func(f func()) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		most = max(most, asked)
		waiting <- f
	})
	answer := func() {
		f := <-waiting
		mu.Lock()
		asked--
		mu.Unlock()
		f()
	}
	for seq := range uint64(500) {
		a.log(t, seq+1)
	}
	first := <-waiting
	for seq := range uint64(500) { // while it is not answered
		a.log(t, 500+seq+1)
	}
	select {
	case seq := <-a.heard:
		t.Errorf("acknowledgement of %d that the node has not given", seq)
	default:
	}
	waiting <- first
	answer()
	go answer() // what has come after the first question
	if count := a.await(t, 1000); count != 2 {
		t.Errorf("%d acknowledgements", count)
	}
	a.log(t, 1001)
	go answer()
	a.await(t, 1001)
	// Nothing new is nothing to tell.
	a.log(t, 1001, 7, 0)
	a.log(t, 1002)
	go answer()
	a.await(t, 1002)
	mu.Lock()
	defer mu.Unlock()
	if most != 1 {
		t.Errorf("%d questions at one time, want one", most)
	}
}

// Without a question, what was heard is acknowledged.
func TestLogsAreAcknowledgedAtOnce(t *testing.T) {
	t.Parallel()
	a := deployAcked(t, nil)
	a.log(t, 1, 2, 3)
	a.await(t, 3)
}

// A question that is answered when the link is closed, or never, is of no effect.
func TestAcknowledgementAfterClose(t *testing.T) {
	t.Parallel()
	waiting := make(chan func(), 1)
	a := deployAcked(t, func(f func()) { waiting <- f })
	a.log(t, 1)
	f := <-waiting
	a.log(t, 2)
	a.link.Close()
	f()
	select {
	case <-waiting:
		t.Error("a link that is closed asks")
	case seq := <-a.heard:
		t.Errorf("acknowledgement of %d after the end", seq)
	case <-time.After(100 * time.Millisecond): // twice as long as between two questions
	}
}
