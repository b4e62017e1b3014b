package nex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// decodeBody parses the JSON object of a request; unknown fields are tolerated.
func decodeBody(body []byte, into any) error {
	if len(body) > MaxRequestBytes {
		return Errorf(CodeRequestTooLarge, "the request has %d bytes, more than the %d allowed", len(body), MaxRequestBytes)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return Errorf(CodeInvalidRequest, "the request is empty: send a JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return Errorf(CodeInvalidRequest, "the request is malformed: %s", jsonProblem(err))
	}
	return nil
}

// decodeOptionalBody is decodeBody for requests whose body may be empty.
func decodeOptionalBody(body []byte, into any) error {
	if len(body) <= MaxRequestBytes && len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	return decodeBody(body, into)
}

// jsonProblem says in a few words what encoding/json disliked.
func jsonProblem(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		// The value is as long as the sender likes.
		problem := fmt.Sprintf("expected %s, got %s", jsonKind(wrong.Type.Kind().String()), clip(wrong.Value))
		if wrong.Field != "" {
			problem = "field " + wrong.Field + ": " + problem
		}
		return problem
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("it is not JSON (at byte %d)", syntax.Offset)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// jsonKind names a Go kind as JSON would.
func jsonKind(kind string) string {
	switch {
	case kind == "slice" || kind == "array":
		return "an array"
	case kind == "struct" || kind == "map" || kind == "ptr":
		return "an object"
	case kind == "bool":
		return "true or false"
	case strings.Contains(kind, "int") || strings.HasPrefix(kind, "float"):
		return "a number"
	}
	return "a " + kind
}
