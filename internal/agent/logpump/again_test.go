package logpump_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/logpump"
)

// inPump calls a function with a pump, while time passes only when all wait.
func inPump(t *testing.T, f func(t *testing.T, p *logpump.Pump)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := logpump.New("w1")
		defer p.Close()
		f(t, p)
	})
}

// printLines prints so many lines, the first with the number.
func printLines(p *logpump.Pump, first, count int) {
	for n := first; n < first+count; n++ {
		p.Print(nex.StreamStdout, slog.LevelInfo, fmt.Sprint("line ", n))
	}
	synctest.Wait()
}

// wantSeqs checks that records are those from first to last.
func wantSeqs(t *testing.T, what string, records []nex.LogRecord, first, last uint64) {
	t.Helper()
	for i, r := range records {
		if r.Seq != first+uint64(i) {
			t.Fatalf("%s: record %d has Seq %d, want %d", what, i, r.Seq, first+uint64(i))
		}
	}
	if got := uint64(len(records)); got != last+1-first {
		t.Errorf("%s: %d records, want those from %d to %d", what, got, first, last)
	}
}

// What was not heard is sent again over the next link, in order and before what is newer, and what was heard is
// its history.
func TestPumpSendsAgain(t *testing.T) {
	inPump(t, func(t *testing.T, p *logpump.Pump) {
		var first, second collector
		first.deaf, second.deaf = true, true
		first.attach(p)
		printLines(p, 1, 10)
		p.Heard(4)
		first.before = func([]nex.LogRecord) error { return errors.New("the link is lost") }
		printLines(p, 11, 5)
		wantSeqs(t, "first link", first.all(), 1, 10)
		time.Sleep(time.Hour)
		printLines(p, 16, 5)
		second.attach(p)
		printLines(p, 21, 5)
		<-p.Sent()
		wantSeqs(t, "history", second.past, 1, 4)
		wantSeqs(t, "second link", second.all(), 5, 25)
		wantSeqs(t, "first link", first.all(), 1, 10)

		// Nothing that has been heard comes a second time.
		var third collector
		p.Heard(25)
		third.attach(p)
		<-p.Sent()
		wantSeqs(t, "history of the third", third.past, 1, 25)
		wantSeqs(t, "third link", third.all(), 26, 25)
	})
}

// A link is lost without an error: what was sent last is sent again all the same.
func TestPumpSendsAgainWhatNobodyGot(t *testing.T) {
	inPump(t, func(t *testing.T, p *logpump.Pump) {
		var first, second collector
		first.deaf = true
		first.attach(p)
		printLines(p, 1, 1000)
		second.attach(p)
		<-p.Sent()
		wantSeqs(t, "second link", second.all(), 1, 1000)
	})
}

// An acknowledgement that comes late is for a link that is no more.
func TestPumpIgnoresLateAcknowledgements(t *testing.T) {
	inPump(t, func(t *testing.T, p *logpump.Pump) {
		printLines(p, 1, 10)
		p.Heard(10)
		var c collector
		c.attach(p)
		<-p.Sent()
		wantSeqs(t, "link", c.all(), 1, 10)
		p.Heard(1 << 63)
		p.Heard(0)
	})
}

// A batch that is on its way when there is a new link is sent over both, but only once over each.
func TestPumpChangesLinksInTheMiddle(t *testing.T) {
	inPump(t, func(t *testing.T, p *logpump.Pump) {
		release := make(chan struct{})
		var second collector
		first := collector{deaf: true, before: func([]nex.LogRecord) error { <-release; return nil }}
		first.attach(p)
		printLines(p, 1, 10)
		second.attach(p)
		printLines(p, 11, 10)
		close(release)
		<-p.Sent()
		wantSeqs(t, "second link", second.all(), 1, 20)
		if got := first.all(); len(got) == 0 || len(got) > 10 {
			t.Errorf("%d records went over the first link, want some of 10", len(got))
		}
	})
}

// A receiver that acknowledges nothing, and one that is away, cost lines and no memory. Every line is sent or
// counted.
func TestPumpKeepsWithinItsBounds(t *testing.T) {
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprint("away ", away), func(t *testing.T) {
			inPump(t, func(t *testing.T, p *logpump.Pump) {
				var first, second collector
				first.deaf = true
				if !away {
					first.attach(p)
				}
				const seconds = 60
				for n := range seconds {
					printLines(p, n*logpump.LinesPerSecond, logpump.LinesPerSecond)
					time.Sleep(time.Second)
				}
				if got := first.all(); !away {
					wantSeqs(t, "first link", got, 1, logpump.QueueRecords)
				}
				second.attach(p)
				<-p.Sent()
				time.Sleep(2 * logpump.ReportEvery) // there is room now
				synctest.Wait()
				records := second.all()
				dropped := 0
				last := records[len(records)-1]
				if _, err := fmt.Sscanf(last.Text, "%d log lines", &dropped); err != nil || !strings.Contains(last.Text, "the node was away") {
					t.Fatalf("the last record is %q, want a report: %v", last.Text, err)
				}
				wantSeqs(t, "second link", records[:len(records)-1], 1, logpump.QueueRecords)
				if want := seconds*logpump.LinesPerSecond - logpump.QueueRecords; dropped != want || last.Seq != seconds*logpump.LinesPerSecond+1 {
					t.Errorf("%d lines were dropped by a report with Seq %d, want %d and %d", dropped, last.Seq, want, seconds*logpump.LinesPerSecond+1)
				}
			})
		})
	}
}

// The history holds the last lines, and no more than it may.
func TestPumpHistory(t *testing.T) {
	for name, tt := range map[string]struct {
		size, lines, want int
	}{
		"short lines": {10, 3 * logpump.HistoryRecords, logpump.HistoryRecords},
		"long lines":  {10_000, 100, logpump.HistoryBytes / 10_000},
		"a few":       {10, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			inPump(t, func(t *testing.T, p *logpump.Pump) {
				var first, second collector
				first.attach(p)
				for range tt.lines {
					p.Print(nex.StreamStdout, slog.LevelInfo, strings.Repeat("x", tt.size))
				}
				<-p.Sent()
				second.attach(p)
				<-p.Sent()
				wantSeqs(t, "history", second.past, uint64(tt.lines-tt.want+1), uint64(tt.lines))
			})
		})
	}
}

// A program can end while nobody takes its lines; they are there for who comes.
func TestPumpEndsWithoutReceiver(t *testing.T) {
	inPump(t, func(t *testing.T, p *logpump.Pump) {
		p.Run(stdout(strings.NewReader("one\ntwo")))
		sent := p.Sent()
		select {
		case <-sent:
			t.Error("all is sent although there is no link")
		default:
		}
		var c collector
		c.attach(p)
		<-sent
		if got := c.texts(); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("records = %q", got)
		}
	})
}

// Close ends a pump in any state.
func TestPumpClose(t *testing.T) {
	for name, before := range map[string]func([]nex.LogRecord) error{
		"link":    nil,
		"no link": func([]nex.LogRecord) error { return io.ErrClosedPipe },
	} {
		t.Run(name, func(t *testing.T) {
			inPump(t, func(t *testing.T, p *logpump.Pump) {
				c := collector{before: before}
				c.attach(p)
				printLines(p, 1, 10)
			})
		})
	}
}
