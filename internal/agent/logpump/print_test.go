package logpump_test

import (
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
	collector
}

// startPrinting starts a Pump; before is called with each batch before that is taken, if it is set.
func startPrinting(before func([]nex.LogRecord) error) *printing {
	p := &printing{Pump: logpump.New("w1"), collector: collector{before: before}}
	p.attach(p.Pump)
	return p
}

// finish returns what was sent.
func (p *printing) finish() []nex.LogRecord {
	p.End()
	<-p.Sent()
	p.Close()
	return p.all()
}

func TestPrint(t *testing.T) {
	t.Parallel()
	p := startPrinting(nil)
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
	p := startPrinting(nil)
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
