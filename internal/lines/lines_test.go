package lines_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nex-engine/nex/internal/lines"
)

func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", lines.Max)
	for _, c := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"nothing", nil, nil},
		{"lines", []string{"a\nb\n"}, []string{"a", "b"}},
		{"pieces", []string{"a", "b", "\nc", "\n"}, []string{"ab", "c"}},
		{"empty line", []string{"\n"}, []string{""}},
		{"no end", []string{"a\nb"}, []string{"a", "b"}},
		{"carriage return", []string{"a\r\n"}, []string{"a"}},
		{"as long as may be", []string{long + "\na\n"}, []string{long, "a"}},
		{"too long", []string{long + "y", "z\na\n"}, []string{long + lines.Cut, "a"}},
		{"no text", []string{"a\xff\xfeb\n"}, []string{"a\uFFFDb"}},
	} {
		var got []string
		l := lines.Writer{Log: func(line string) { got = append(got, line) }}
		for _, w := range c.writes {
			if n, err := l.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: Write = %d, %v, want %d, nil", c.name, n, err, len(w))
			}
		}
		l.Flush()
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\n\xff"), 3)
	f.Add([]byte(strings.Repeat("x", lines.Max+1)+"\n"), lines.Max)
	f.Fuzz(func(t *testing.T, output []byte, piece int) {
		piece = max(1, min(piece, len(output)))
		n := 0
		l := lines.Writer{Log: func(line string) {
			n++
			// A byte that is no text becomes three.
			if len(line) > 3*lines.Max+len(lines.Cut) || !utf8.ValidString(line) || strings.Contains(line, "\n") {
				t.Errorf("line of %d bytes: %.100q", len(line), line)
			}
		}}
		for part := range slices.Chunk(output, piece) {
			_, _ = l.Write(part)
		}
		ended := strings.Count(string(output), "\n")
		if n != ended {
			t.Errorf("%d lines, want %d", n, ended)
		}
	})
}
