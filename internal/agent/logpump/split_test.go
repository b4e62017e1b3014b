package logpump_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/logpump"
)

func TestSplit(t *testing.T) {
	full := strings.Repeat("x", nex.MaxLogLine)
	tests := []struct {
		name    string
		data    string
		atEOF   bool
		advance int
		text    string
		ended   bool
	}{
		{name: "nothing"},
		{name: "line", data: "a\nb", advance: 2, text: "a", ended: true},
		{name: "empty line", data: "\nb", advance: 1, ended: true},
		{name: "windows line", data: "a\r\n", advance: 3, text: "a", ended: true},
		{name: "return within a line", data: "10%\r20%\n", advance: 8, text: "10%\r20%", ended: true},
		{name: "two returns", data: "a\r\r\n", advance: 4, text: "a\r", ended: true},
		{name: "part of a line", data: "a"},
		{name: "part of a line at the end", data: "a", atEOF: true, advance: 1, text: "a"},
		{name: "longest line", data: full + "\n", advance: len(full) + 1, text: full, ended: true},
		{name: "longest windows line", data: full + "\r\n", advance: len(full) + 2, text: full, ended: true},
		{name: "longest line, end not seen", data: full + "\r"},
		{name: "one byte too long", data: full + "y\n", advance: len(full), text: full},
		{name: "much too long", data: full + full, advance: len(full), text: full},
		{name: "too long at the end", data: full + "y", atEOF: true, advance: len(full), text: full},
		{name: "character on the edge", data: full[:len(full)-1] + "äöü", advance: len(full) - 1, text: full[:len(full)-1]},
		{name: "character before the edge", data: full[:len(full)-2] + "äöü", advance: len(full), text: full[:len(full)-2] + "ä"},
		{name: "no characters at all", data: strings.Repeat("\x80", len(full)+2), advance: len(full), text: strings.Repeat("\x80", len(full))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			advance, text, ended := logpump.Split([]byte(tt.data), tt.atEOF)
			if advance != tt.advance || string(text) != tt.text || ended != tt.ended {
				t.Errorf("Split = %d, %.40q (%d bytes), %v, want %d, %.40q (%d bytes), %v",
					advance, text, len(text), ended, tt.advance, tt.text, len(tt.text), tt.ended)
			}
		})
	}
}

// splitAll applies Split as a reader does and returns the lines, pieces put together again.
func splitAll(t *testing.T, data []byte) []byte {
	t.Helper()
	var out []byte
	for len(data) > 0 {
		advance, text, ended := logpump.Split(data, true)
		if advance <= 0 || advance > len(data) || len(text) > nex.MaxLogLine || len(text) > advance {
			t.Fatalf("Split of %d bytes = %d, %d bytes of text", len(data), advance, len(text))
		}
		out = append(out, text...)
		if ended {
			out = append(out, '\n')
		}
		data = data[advance:]
	}
	return out
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"", "a\n", "a\r\nb", "\r\r\n\n", "ä\xff\xf0\x9f", "\x00\x01"} {
		f.Add([]byte(seed), 1)
		f.Add([]byte(seed), nex.MaxLogLine)
	}
	f.Fuzz(func(t *testing.T, data []byte, times int) {
		if times < 1 || times*len(data) > 1<<18 {
			return
		}
		data = bytes.Repeat(data, times)
		// Nothing is lost but the carriage return of a line's end.
		want := bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		if got := splitAll(t, data); !bytes.Equal(got, want) {
			t.Errorf("lines put together: %d bytes, want %d", len(got), len(want))
		}
	})
}

// FuzzPump checks what a whole pump makes of a stream against what it promises: everything arrives,
// in order, without line ends, as UTF-8.
func FuzzPump(f *testing.F) {
	for _, seed := range []string{"", "a\nb", "a\r\nb\r", "\n\n\n", "ä\xff\xf0\x9f", "\xff", "a\xff"} {
		f.Add([]byte(seed), 1, false)
		f.Add([]byte(seed), nex.MaxLogLine, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, times int, halves bool) {
		if times < 1 || times*len(data) > 1<<17 || bytes.Count(data, []byte("\n"))*times > logpump.LineBurst-100 {
			return // over the rate, and so not complete
		}
		data = bytes.Repeat(data, times)
		var got strings.Builder
		var c collector
		from := iotest.DataErrReader(bytes.NewReader(data))
		if halves {
			from = iotest.HalfReader(bytes.NewReader(data))
		}
		c.run(logpump.Stream{Name: nex.StreamStdout, From: from})
		for i, r := range c.all() {
			if r.Seq != uint64(i+1) || r.ID != "w1" || r.Stream != nex.StreamStdout || len(r.Text) > nex.MaxLogLine {
				t.Errorf("record %d = %+v with %d bytes", i, r, len(r.Text))
			}
			got.WriteString(r.Text)
		}
		var want string
		for line := range bytes.SplitSeq(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\n")) {
			want += strings.ToValidUTF8(string(line), "\uFFFD")
		}
		// Where a line was cut within bytes that are no UTF-8 there is one replacement on either side.
		want = squeeze(want)
		if g := squeeze(got.String()); g != want {
			t.Errorf("text put together: %d bytes %.60q, want %d bytes %.60q", len(g), g, len(want), want)
		}
	})
}

// squeeze makes each run of replacement characters one.
func squeeze(s string) string {
	for strings.Contains(s, "\uFFFD\uFFFD") {
		s = strings.ReplaceAll(s, "\uFFFD\uFFFD", "\uFFFD")
	}
	return s
}
