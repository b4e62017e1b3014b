package render

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text makes one harmless line of text that came from outside. Escape sequences, such as those for
// colours, are left out; other control characters, marks that change the direction of writing, and
// bytes that are not UTF-8 become U+FFFD, and tabs become spaces.
func Text(t string) string { return strings.ReplaceAll(printable(t), "\t", " ") }

// printable is like [Text], but keeps tabs.
func printable(t string) string {
	if strings.IndexFunc(t, hostile) < 0 && utf8.ValidString(t) {
		return t
	}
	var b strings.Builder
	for len(t) > 0 {
		if n := escapeSequence(t); n > 0 {
			t = t[n:]
			continue
		}
		r, size := utf8.DecodeRuneInString(t)
		if hostile(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
		t = t[size:]
	}
	return b.String()
}

const escape = '\x1b'

// hostile reports whether a terminal may do something else with r than show it.
func hostile(r rune) bool {
	return r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// escapeSequence returns the length of the sequence that t begins with: a control sequence, such as
// a colour, or a command to the operating system, such as a window's title. It is 0 if there is none.
func escapeSequence(t string) int {
	if len(t) < 2 || t[0] != escape {
		return 0
	}
	switch t[1] {
	case '[':
		for i := 2; i < len(t); i++ {
			switch c := t[i]; {
			case c >= 0x40 && c <= 0x7e:
				return i + 1
			case c < 0x20 || c > 0x3f:
				return 0
			}
		}
	case ']':
		end := strings.IndexFunc(t[2:], unicode.IsControl)
		if end < 0 {
			return 0
		}
		end += 2
		if t[end] == '\a' {
			return end + 1
		}
		if strings.HasPrefix(t[end:], "\x1b\\") {
			return end + 2
		}
	}
	return 0
}
