package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// JSON prints v as one indented document.
func JSON(w io.Writer, v any) error { return encode(w, v, "  ") }

// JSONLine prints v as JSON on one line.
func JSONLine(w io.Writer, v any) error { return encode(w, v, "") }

// encode leaves < and > as they are, since subjects have them, and escapes what a terminal could
// take for a command: the document means the same.
func encode(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeHostile(b.Bytes()))
	return err
}

// escapeHostile works on a whole document: JSON has such characters, but for line breaks between
// its tokens, in strings only.
func escapeHostile(document []byte) []byte {
	safe := make([]byte, 0, len(document))
	for rest := document; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r != '\n' && hostile(r) || r == utf8.RuneError && size == 1 {
			safe = fmt.Appendf(safe, `\u%04x`, r)
		} else {
			safe = append(safe, rest[:size]...)
		}
		rest = rest[size:]
	}
	return safe
}
