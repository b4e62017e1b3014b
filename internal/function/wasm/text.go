package wasm

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage bounds the message of an error, in bytes: it travels in a header.
const maxMessage = 1 << 10

// sentence makes a message of one line and of bounded length from any text.
func sentence(text string) string {
	if len(text) > 4*maxMessage {
		text = text[:4*maxMessage] // do not look at more than can be used
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '?'
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return ' '
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	if len(text) <= maxMessage {
		return text
	}
	text = text[:maxMessage-len("…")]
	for !utf8.ValidString(text) { // cut within a character
		text = text[:len(text)-1]
	}
	return text + "…"
}
