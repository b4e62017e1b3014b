package main

import (
	"encoding/json"
	"strings"
)

// event is one line of "go test -json"; see "go doc test2json" and "go help buildjson".
type event struct {
	Action      string
	Package     string // of test events
	Test        string // "" for events of the package itself
	Output      string
	ImportPath  string // of build events, in the form that FailedBuild repeats
	FailedBuild string // of a package's fail event
}

// parseEvent parses a line. Ok is false for a line that is no event, such as one that a tool which
// does not know of -json has printed.
func parseEvent(line []byte) (e event, ok bool) {
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		return event{}, false
	}
	return e, true
}

// isFrame reports whether a line of a test's output is the test runner's own, not the test's.
func isFrame(line string) bool {
	return strings.HasPrefix(line, "=== ") || strings.HasPrefix(strings.TrimLeft(line, " "), "--- ")
}

// isClosing reports whether a line of a package's output is the one that sums the package up.
func isClosing(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "?   \t")
}
