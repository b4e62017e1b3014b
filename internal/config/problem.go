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

// Error is the one problem, or a line for each.
func (p Problems) Error() string {
	if len(p) == 1 {
		return p[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems:", len(p))
	for _, problem := range p {
		b.WriteString("\n  " + problem.Error())
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

// covers reports whether one of the problems is at the path or at what contains it.
func (p Problems) covers(path string) bool {
	for _, problem := range p {
		rest, found := strings.CutPrefix(path, problem.Path)
		if found && (rest == "" || problem.Path == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}
