//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"encoding/json"
	"strings"

	"github.com/nex-engine/nex/internal/function"
)

// decodeHeader reads the headers that a function gives its reply, and refuses those that a message
// cannot have.
func decodeHeader(text []byte) (function.Header, error) {
	var h function.Header
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, function.Errorf(function.StatusFailed, "the headers of the function's result are malformed: %s", err.Error())
	}
	for name, values := range h {
		if !isHeaderName(name) {
			return nil, function.Errorf(function.StatusFailed,
				"the function's result has a header %q: a name has only visible ASCII characters, and no colon", name)
		}
		for _, value := range values {
			if strings.ContainsAny(value, "\r\n\x00") {
				return nil, function.Errorf(function.StatusFailed,
					"the header %q of the function's result has a line break or a NUL in its value, which headers cannot carry", name)
			}
		}
	}
	return h, nil
}

func isHeaderName(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return name != ""
}
