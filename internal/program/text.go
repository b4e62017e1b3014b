package program

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// isText reports whether head, the beginning of a file, is UTF-8 without control characters. The
// last character may be cut off.
func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n <= 1 {
			return !utf8.FullRune(head)
		}
		if r < ' ' && !strings.ContainsRune("\t\n\r\f\x1b", r) {
			return false
		}
		head = head[n:]
	}
	return true
}

// scriptInterpreter returns the program that a script's first line names, past /usr/bin/env.
func scriptInterpreter(head []byte) string {
	line, _, _ := bytes.Cut(head[len("#!"):], []byte("\n"))
	words := strings.Fields(strings.ToValidUTF8(string(line), "\uFFFD"))
	if len(words) > 1 && strings.HasSuffix(words[0], "/env") {
		words = words[1:]
	}
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// containers are files that people upload with the program in them.
var containers = []struct{ magic, is string }{
	{"\x1f\x8b", "a gzip archive"},
	{"PK\x03\x04", "a zip archive"},
	{"\x28\xb5\x2f\xfd", "a zstd archive"},
	{"\xfd7zXZ\x00", "an xz archive"},
	{"BZh", "a bzip2 archive"},
	{"!<arch>\n", "a static library or a Debian package"},
}

// container says what kind of archive head is the beginning of, "" if none.
func container(head []byte) string {
	for _, c := range containers {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return c.is
		}
	}
	return ""
}
