package logpump_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/logpump"
)

// printing is a Pump that is printed to.
type printing struct {
	*logpump.Pump
	mu      sync.Mutex
	records []nex.LogRecord
	done    chan struct{}
	ended   chan struct{}
}

// startPrinting starts a Pump whose batches go through send first.
func startPrinting(send func([]nex.LogRecord) error) *printing {
	p := &printing{done: make(chan struct{}), ended: make(chan struct{})}
	p.Pump = logpump.New("w1", func(batch []nex.LogRecord) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err := send(batch); err != nil {
			return err
		}
		p.records = append(p.records, batch...)
		return nil
	})
	go func() {
		defer close(p.ended)
		p.RunUntil(p.done)
	}()
	return p
}

// finish returns what was sent.
func (p *printing) finish() []nex.LogRecord {
	close(p.done)
	<-p.ended
	return p.records
}

func sendAll([]nex.LogRecord) error { return nil }

func TestPrint(t *testing.T) {
	t.Parallel()
	p := startPrinting(sendAll)
	p.Print(nex.StreamStdout, slog.LevelDebug, "one")
	p.Print(nex.StreamStderr, slog.LevelError, "")
	p.Print(nex.StreamStdout, slog.LevelInfo, "bad \xff")
	p.Print(nex.StreamStdout, slog.LevelInfo, strings.Repeat("ü", nex.MaxLogLine))
	records := p.finish()
	var long string
	for i, r := range records {
		if r.ID != "w1" || r.Seq != uint64(i+1) || !utf8.ValidString(r.Text) || len(r.Text) > nex.MaxLogLine {
			t.Errorf("record %d = %.100v", i, r)
		}
		if i > 2 {
			long += r.Text
		}
	}
	var got []string
	for _, r := range records[:3] {
		got = append(got, fmt.Sprint(slog.Level(r.Level), " ", r.Stream, " ", r.Text))
	}
	if want := []string{"DEBUG stdout one", "ERROR stderr ", "INFO stdout bad \uFFFD"}; !slices.Equal(got, want) {
		t.Errorf("records = %q, want %q", got, want)
	}
	if long != strings.Repeat("ü", nex.MaxLogLine) {
		t.Errorf("the pieces of the long line have %d bytes together", len(long))
	}
	p.Print(nex.StreamStdout, slog.LevelInfo, "too late") // and does no harm
}

// What is printed from many goroutines arrives once, in the order of each.
func TestPrintFromMany(t *testing.T) {
	t.Parallel()
	p := startPrinting(sendAll)
	const writers, lines = 8, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range lines {
				p.Print(nex.StreamStdout, slog.LevelInfo, fmt.Sprint(w, " ", i))
			}
		})
	}
	wg.Wait()
	var next [writers]int
	records := p.finish()
	for _, r := range records {
		var w, i int
		if _, err := fmt.Sscan(r.Text, &w, &i); err != nil || i != next[w] {
			t.Fatalf("record %q, want line %d of writer %d", r.Text, next[w], w)
		}
		next[w]++
	}
	if len(records) != writers*lines {
		t.Errorf("%d records, want %d", len(records), writers*lines)
	}
}

// A function that prints too fast loses lines, which is said, and is not held up by who takes them.
func TestPrintTooFast(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	p := startPrinting(func([]nex.LogRecord) error {
		<-gate
		return nil
	})
	const lines = 10 * logpump.LineBurst
	for range lines {
		p.Print(nex.StreamStdout, slog.LevelInfo, "line")
	}
	close(gate)
	arrived, dropped := 0, 0
	for _, r := range p.finish() {
		if r.Stream != nex.StreamNex {
			arrived++
			continue
		}
		var n int
		if _, err := fmt.Sscanf(r.Text, "%d log lines", &n); err != nil {
			t.Errorf("report %q: %v", r.Text, err)
		}
		dropped += n
	}
	if dropped == 0 || arrived+dropped != lines {
		t.Errorf("%d lines arrived and %d were reported as dropped, want %d together", arrived, dropped, lines)
	}
}

// RunUntil ends also when nobody takes the lines.
func TestPrintToNobody(t *testing.T) {
	t.Parallel()
	p := startPrinting(func([]nex.LogRecord) error { return errors.New("the link is lost") })
	for range 100 {
		p.Print(nex.StreamStdout, slog.LevelInfo, "line")
	}
	if records := p.finish(); len(records) != 0 {
		t.Errorf("%d records arrived", len(records))
	}
}
