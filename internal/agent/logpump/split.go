package logpump

import (
	"bytes"
	"unicode/utf8"

	nex "github.com/nex-engine/nex"
)

// Split cuts the text of the next record off data and says how far that advances; it returns 0 when
// more data is needed to decide, which is never so for [nex.MaxLogLine] + 2 bytes or with atEOF.
// The text is at most nex.MaxLogLine bytes and lies in data. It lacks the line's end, \n or \r\n;
// ended says whether the line ended there. A line that is too long is cut between characters.
func Split(data []byte, atEOF bool) (advance int, text []byte, ended bool) {
	i := bytes.IndexByte(data[:min(len(data), window)], '\n')
	if i >= 0 {
		if line := bytes.TrimSuffix(data[:i], []byte("\r")); len(line) <= nex.MaxLogLine {
			return i + 1, line, true
		}
	} else if len(data) < window && !atEOF {
		return 0, nil, false
	}
	n := len(data)
	if n > nex.MaxLogLine {
		n = wholeRunes(data, nex.MaxLogLine)
	}
	return n, data[:n], false
}

// wholeRunes returns the most bytes of data, at most limit, that do not end within a character.
// Bytes that are no UTF-8 are characters of their own.
func wholeRunes[T ~[]byte | ~string](data T, limit int) int {
	limit = min(limit, len(data))
	for i := limit - 1; i >= 0 && i > limit-utf8.UTFMax; i-- {
		if utf8.RuneStart(data[i]) {
			if !utf8.FullRuneInString(string(data[i:limit])) {
				return i
			}
			break
		}
	}
	return limit
}
