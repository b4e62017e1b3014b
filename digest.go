package nex

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
)

// Digest is the sha256, in hex, of the canonical form of everything in the request that the claims
// do not contain themselves. Bound claims carry it as request.
//
// The canonical form is that of RFC 8785, JSON with sorted keys and no white space, of the fields
// that a DeployRequest has, location as its URL string, without workload_jwt, retry_count and
// retried_at, and without members that are null, false, 0, "" or []. It is the same before and after
// the request was on the wire.
func (r *DeployRequest) Digest() string {
	c := *r
	c.WorkloadJWT, c.RetryCount, c.RetriedAt = "", 0, ""
	if math.IsNaN(c.CPUs) || math.IsInf(c.CPUs, 0) {
		c.CPUs = 0 // JSON has no such numbers, so that the request cannot be sent anyhow
	}
	b, err := json.Marshal(c)
	var fields map[string]any
	if err == nil {
		err = json.Unmarshal(b, &fields)
	}
	if err != nil { // the request came from JSON or is made of strings
		panic(fmt.Sprintf("nex: encode deploy request: %v", err))
	}
	fields["location"] = r.Location.String()
	prune(fields)
	sum := sha256.Sum256(canonicalJSON(fields))
	return hex.EncodeToString(sum[:])
}

// prune removes the members that say nothing. An object stays, even when nothing is left in it.
func prune(object map[string]any) {
	for key, value := range object {
		empty := false
		switch v := value.(type) {
		case nil:
			empty = true
		case bool:
			empty = !v
		case float64:
			empty = v == 0
		case string:
			empty = v == ""
		case []any:
			empty = len(v) == 0
		case map[string]any:
			prune(v)
		}
		if empty {
			delete(object, key)
		}
	}
}

// canonicalJSON encodes what encoding/json has decoded as RFC 8785 says.
func canonicalJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("nex: encode canonical JSON: %v", err))
	}
	return unescapeSeparators(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// unescapeSeparators writes U+2028 and U+2029 as themselves. They are all that encoding/json escapes
// and RFC 8785 does not.
func unescapeSeparators(encoded []byte) []byte {
	out := encoded[:0]
	for i := 0; i < len(encoded); i++ {
		rest := encoded[i:]
		switch {
		case bytes.HasPrefix(rest, []byte(`\u2028`)):
			out = append(out, "\u2028"...)
			i += 5
		case bytes.HasPrefix(rest, []byte(`\u2029`)):
			out = append(out, "\u2029"...)
			i += 5
		case rest[0] == '\\': // an escaped backslash could be followed by u2028
			out = append(out, rest[:2]...)
			i++
		default:
			out = append(out, rest[0])
		}
	}
	return out
}
