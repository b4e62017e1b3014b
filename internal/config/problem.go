package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Path is the field, such as cni.subnet or autostart.workloads[1].type; empty is the file as a
	// whole.
	Path string
	// Line is where in the file it is, from 1; 0 when it is not in a file.
	Line int
	// Text says what was expected.
	Text string
}

// Error is a sentence that says where and what.
func (p Problem) Error() string {
	text := p.Text
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Line > 0 {
		text = fmt.Sprintf("line %d: %s", p.Line, text)
	}
	return text
}

// Problems are all that is wrong with a configuration, in the order of their lines. It is the error
// of [Parse] and [Config.Validate], and in that of [Load].
type Problems []Problem

// shown bounds how many problems an error text has.
const shown = 50

// Error is the one problem, or a line for each of the first 50.
func (p Problems) Error() string {
	if len(p) == 1 {
		return p[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems:", len(p))
	for _, problem := range p[:min(shown, len(p))] {
		b.WriteString("\n  " + problem.Error())
	}
	if more := len(p) - shown; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return b.String()
}

// Unwrap returns each problem as an error.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, problem := range p {
		errs[i] = problem
	}
	return errs
}

// orNil avoids an error that is not nil but holds nothing.
func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// places are paths of problems.
type places map[string]bool

func (p Problems) places() places {
	all := places{}
	for _, problem := range p {
		all[problem.Path] = true
	}
	return all
}

// cover reports whether the path, or what contains it, is one of the places.
func (p places) cover(path string) bool {
	for !p[path] {
		if path == "" {
			return false
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return true
}
