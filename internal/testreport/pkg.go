package main

import (
	"io"
	"slices"
	"strings"
)

// pkg is a package whose tests are running.
type pkg struct {
	output []string // of no test in particular
	tests  map[string]*test
	order  []*test // as they first appeared
}

type test struct {
	output []string
	action string // pass, fail, skip; "" while it runs, and for ever if the process dies
}

// write writes all that tells why a package failed.
func (p *pkg) write(w io.Writer) {
	for _, t := range p.order {
		if !t.tells() {
			continue
		}
		for _, line := range t.output {
			if !strings.HasPrefix(line, "=== ") {
				io.WriteString(w, line)
			}
		}
	}
	for _, line := range p.output {
		if line != "FAIL\n" && line != "PASS\n" {
			io.WriteString(w, line)
		}
	}
}

// tells reports whether the test's output belongs to the story of a failed package: it failed, it
// was running when the process died, or the race detector wrote into it.
func (t *test) tells() bool {
	return t.action == "" || t.action == "fail" ||
		slices.ContainsFunc(t.output, func(s string) bool { return strings.Contains(s, "DATA RACE") })
}

// said is what the test itself printed, on one line.
func (t *test) said() string {
	var words []string
	for _, line := range t.output {
		if !isFrame(line) {
			words = append(words, strings.Fields(line)...)
		}
	}
	return strings.Join(words, " ")
}
