package fcapi

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxFault bounds what an Error says.
const maxFault = 1000

// Error is a request that Firecracker has refused.
type Error struct {
	Request string // what was asked for, such as "set drive vda"
	Status  int    // of HTTP
	Fault   string // in Firecracker's words, on one line; never empty
}

func (e *Error) Error() string { return fmt.Sprintf("%s: firecracker says: %s", e.Request, e.Fault) }

// fault is why a request was refused, from the answer's body.
func fault(body []byte) string {
	var said struct {
		Fault string `json:"fault_message"`
	}
	if json.Unmarshal(body, &said) != nil {
		said.Fault = string(body)
	}
	// It may have several lines, and what is a path or a name of ours may be anything.
	words := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(said.Fault, "?"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if words == "" {
		return "no, and not why"
	}
	if len(words) > maxFault {
		words = strings.ToValidUTF8(words[:maxFault], "") + "…"
	}
	return strings.TrimRight(words, ".")
}
