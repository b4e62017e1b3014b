package logpump_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/logpump"
)

// collector keeps what a pump sends.
type collector struct {
	deaf   bool                          // hears nothing
	before func(b []nex.LogRecord) error // called before a batch is taken, if set

	mu      sync.Mutex
	pump    *logpump.Pump
	past    []nex.LogRecord
	records []nex.LogRecord
	largest int // bytes of text in a batch
}

func (c *collector) Logs(batch []nex.LogRecord) error {
	if c.before != nil {
		if err := c.before(batch); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	size := 0
	for _, r := range batch {
		size += len(r.Text)
	}
	c.largest = max(c.largest, size)
	c.records = append(c.records, batch...)
	if !c.deaf {
		c.pump.Heard(batch[len(batch)-1].Seq)
	}
	return nil
}

func (c *collector) History(batch []nex.LogRecord) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past = append(c.past, batch...)
	return nil
}

// attach makes the collector the one that a pump sends to.
func (c *collector) attach(p *logpump.Pump) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pump = p
	p.Attach(c)
}

// run carries streams to the collector until all that they bring is sent.
func (c *collector) run(streams ...logpump.Stream) {
	p := logpump.New("w1")
	defer p.Close()
	c.attach(p)
	p.Run(streams...)
	<-p.Sent()
}

func (c *collector) all() []nex.LogRecord {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]nex.LogRecord(nil), c.records...)
}

func (c *collector) texts() []string {
	var texts []string
	for _, r := range c.all() {
		texts = append(texts, r.Text)
	}
	return texts
}

func stdout(from io.Reader) logpump.Stream {
	return logpump.Stream{Name: nex.StreamStdout, Level: slog.LevelInfo, From: from}
}

func TestPumpLines(t *testing.T) {
	long := strings.Repeat("x", nex.MaxLogLine)
	tests := []struct {
		name string
		in   string
		want []string
	}{
		{"nothing", "", nil},
		{"lines", "one\ntwo\n", []string{"one", "two"}},
		{"windows lines", "one\r\ntwo\r\n", []string{"one", "two"}},
		{"empty lines", "\n\none\n", []string{"", "", "one"}},
		{"last line without end", "one\ntwo", []string{"one", "two"}},
		{"exactly one record long", long + "\ntwo\n", []string{long, "two"}},
		{"exactly two records long", long + long + "\ntwo\n", []string{long, long, "two"}},
		{"exactly two records long, windows", long + long + "\r\ntwo\n", []string{long, long, "two"}},
		{"longer than a record", long + "end\ntwo\n", []string{long, "end", "two"}},
		{"not utf-8", "a\xff\xfeb\n", []string{"a\uFFFDb"}},
		{"grows when replaced", strings.Repeat("a\xff", nex.MaxLogLine/2) + "\n", []string{
			strings.Repeat("a\uFFFD", nex.MaxLogLine/4), strings.Repeat("a\uFFFD", nex.MaxLogLine/4),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c collector
			c.run(stdout(strings.NewReader(tt.in)))
			got := c.texts()
			if strings.Join(got, "|") != strings.Join(tt.want, "|") || len(got) != len(tt.want) {
				t.Errorf("records = %.80q, want %.80q", got, tt.want)
			}
		})
	}
}

func TestPumpRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		err := logpump.Stream{Name: nex.StreamStderr, Level: slog.LevelError, From: strings.NewReader("bad\n")}
		c.run(stdout(strings.NewReader("good\n")), err)
		got := c.all()
		if len(got) != 2 {
			t.Fatalf("got %d records, want 2", len(got))
		}
		seen := map[string]nex.LogRecord{}
		for i, r := range got {
			if r.Seq != uint64(i+1) {
				t.Errorf("record %d has Seq %d", i, r.Seq)
			}
			r.Seq = 0
			seen[r.Stream] = r
		}
		now := time.Now().UTC() // stands still meanwhile
		for _, want := range []nex.LogRecord{
			{Text: "good", Level: int(slog.LevelInfo), ID: "w1", Stream: nex.StreamStdout, Time: now},
			{Text: "bad", Level: int(slog.LevelError), ID: "w1", Stream: nex.StreamStderr, Time: now},
		} {
			if seen[want.Stream] != want {
				t.Errorf("record = %+v, want %+v", seen[want.Stream], want)
			}
		}
	})
}

// The beginning of a line is sent when nothing follows it for a while, and only then.
func TestPumpPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		in, out := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.run(stdout(in))
		}()
		step := func(write string, pause time.Duration, want ...string) {
			t.Helper()
			if _, err := io.WriteString(out, write); err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause)
			synctest.Wait()
			if got := c.texts(); strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("after %q and %v: records %q, want %q", write, pause, got, want)
			}
		}
		const little = logpump.QuietTime / 2
		step("name", little)
		step("? ", little)
		step("", logpump.QuietTime, "name? ")
		step("\r", logpump.QuietTime, "name? ")
		step("\n", logpump.QuietTime, "name? ") // the end of a line that was sent already
		step("ok \xc3", logpump.QuietTime, "name? ", "ok ")
		step("\xa4\n", 0, "name? ", "ok ", "ä")
		step("\n", 0, "name? ", "ok ", "ä", "")
		out.Close()
		<-done
	})
}

// A program over its rate loses lines, is told so at least once a second, and every line is either
// sent or counted.
func TestPumpDropsOverRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		in, out := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.run(stdout(in))
		}()
		start := time.Now()
		const rounds, perRound = 30, 2000 // for 3 s, ten times the rate
		for i := range rounds {
			chunk := strings.Repeat(fmt.Sprintf("line of round %d\n", i), perRound)
			if _, err := io.WriteString(out, chunk); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		out.Close()
		<-done
		elapsed := time.Since(start)

		sent, dropped := 0, 0
		reports := []time.Time{start}
		var last uint64
		for _, r := range c.all() {
			if r.Seq <= last {
				t.Fatalf("Seq %d follows %d", r.Seq, last)
			}
			last = r.Seq
			if r.Stream != nex.StreamNex {
				sent++
				continue
			}
			var lines, size int
			if _, err := fmt.Sscanf(r.Text, "%d log lines (%d bytes) were dropped", &lines, &size); err != nil {
				t.Fatalf("report %q: %v", r.Text, err)
			}
			if r.Level != int(slog.LevelWarn) || r.ID != "w1" || size < lines*len("line of round 0") {
				t.Errorf("report = %+v", r)
			}
			if !strings.Contains(r.Text, "more than 2000 lines or 4 MiB per second") {
				t.Errorf("report %q does not say why", r.Text)
			}
			dropped += lines
			reports = append(reports, r.Time)
		}
		if sent+dropped != rounds*perRound {
			t.Errorf("%d lines sent and %d dropped, want %d together", sent, dropped, rounds*perRound)
		}
		want := logpump.LineBurst + int(logpump.LinesPerSecond*elapsed.Seconds())
		if sent > want || sent < want*9/10 {
			t.Errorf("%d lines sent in %v, want about %d", sent, elapsed, want)
		}
		for i := 1; i < len(reports); i++ {
			// Nothing is dropped while the burst lasts.
			if gap := reports[i].Sub(reports[i-1]); i > 1 && gap > logpump.ReportEvery+200*time.Millisecond {
				t.Errorf("%v between two reports", gap)
			}
		}
		if len(reports) < 4 {
			t.Errorf("%d reports in %v, want one each second and one at the end", len(reports)-1, elapsed)
		}
	})
}

// A program below the rates never loses a line, whatever it did before.
func TestPumpKeepsSteadyProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c collector
		in, out := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.run(stdout(in))
		}()
		want := 0
		for range 100 {
			fmt.Fprint(out, strings.Repeat("x\n", logpump.LinesPerSecond/10))
			want += logpump.LinesPerSecond / 10
			time.Sleep(100 * time.Millisecond)
		}
		out.Close()
		<-done
		if got := len(c.all()); got != want {
			t.Errorf("%d records, want %d", got, want)
		}
	})
}

// A burst passes whole although the receiver takes its time.
func TestPumpBurst(t *testing.T) {
	var c collector
	c.before = func([]nex.LogRecord) error {
		time.Sleep(time.Millisecond)
		return nil
	}
	c.run(stdout(strings.NewReader(strings.Repeat("line\n", logpump.LineBurst))))
	if got := len(c.all()); got != logpump.LineBurst {
		t.Errorf("%d records, want %d", got, logpump.LineBurst)
	}
	if c.largest > logpump.BatchBytes {
		t.Errorf("a batch has %d bytes, more than %d", c.largest, logpump.BatchBytes)
	}
}

// What JSON makes larger counts as large as it becomes.
func TestPumpControlCharacters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still, so there is the burst and no more
		sent := 0
		c := collector{before: func(batch []nex.LogRecord) error {
			b, err := json.Marshal(batch)
			if err != nil {
				return err
			}
			sent += len(b)
			if len(batch) > 1 && len(b) > logpump.BatchBytes*11/10 {
				t.Errorf("a batch of %d records has %d bytes, want about %d at most", len(batch), len(b), logpump.BatchBytes)
			}
			return nil
		}}
		text := strings.Repeat("\x00\x1b<\"\\ \u2028", 100) + "\n"
		c.run(stdout(strings.NewReader(strings.Repeat(text, 2*logpump.ByteBurst/len(text)))))
		if sent < logpump.ByteBurst || sent > logpump.ByteBurst*3/2 {
			t.Errorf("%d bytes were sent, want those of the burst, %d", sent, logpump.ByteBurst)
		}
	})
}

// A receiver that does not take anything costs lines, not the program's time.
func TestPumpReceiverStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := collector{before: func([]nex.LogRecord) error {
			<-release
			return nil
		}}
		in, out := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.run(stdout(in))
		}()
		const seconds = 20
		for range seconds {
			fmt.Fprint(out, strings.Repeat("x\n", logpump.LinesPerSecond))
			time.Sleep(time.Second)
		}
		out.Close()
		close(release)
		<-done
		sent, dropped := 0, 0
		for _, r := range c.all() {
			if r.Stream == nex.StreamNex {
				var lines int
				fmt.Sscanf(r.Text, "%d log lines", &lines)
				dropped += lines
				if !strings.Contains(r.Text, "does not take them fast enough") {
					t.Errorf("report %q does not say why", r.Text)
				}
			} else {
				sent++
			}
		}
		if sent+dropped != seconds*logpump.LinesPerSecond || dropped == 0 {
			t.Errorf("%d lines sent and %d dropped, want %d together and some dropped", sent, dropped, seconds*logpump.LinesPerSecond)
		}
		if sent > logpump.QueueRecords+1000 {
			t.Errorf("%d lines were kept, more than the queue's %d and a batch", sent, logpump.QueueRecords)
		}
	})
}

// Binary output comes as valid text, in records and batches of bounded size.
func TestPumpBinary(t *testing.T) {
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	var c collector
	c.run(stdout(bytes.NewReader(noise)))
	records := c.all()
	if len(records) == 0 {
		t.Fatal("no records")
	}
	for _, r := range records {
		if !utf8.ValidString(r.Text) || len(r.Text) > nex.MaxLogLine {
			t.Errorf("record of %d bytes, valid %v", len(r.Text), utf8.ValidString(r.Text))
		}
	}
}

// endless repeats a chunk for so many bytes.
type endless struct {
	chunk []byte
	left  int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(copy(b, e.chunk), e.left)
	e.left -= n
	return n, nil
}

// taker hears everything and keeps nothing.
type taker struct{ pump *logpump.Pump }

func (t *taker) Logs(batch []nex.LogRecord) error {
	t.pump.Heard(batch[len(batch)-1].Seq)
	return nil
}

func (*taker) History([]nex.LogRecord) error { return nil }

func BenchmarkPumpFlood(b *testing.B) {
	for _, bench := range []struct{ name, line string }{
		{"yes", "y\n"}, {"zero", "\x00"}, {"lines", strings.Repeat("x", 99) + "\n"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			const size = 256 << 20
			chunk := []byte(strings.Repeat(bench.line, 64<<10/len(bench.line)))
			b.SetBytes(size)
			for b.Loop() {
				p := logpump.New("w1")
				p.Attach(&taker{p})
				p.Run(stdout(&endless{chunk: chunk, left: size}))
				p.Close()
			}
		})
	}
}
