package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	nex "github.com/nex-engine/nex"
)

// MaxBytes bounds a configuration file: 1 MiB.
const MaxBytes = 1 << 20

// Load reads and checks the file at path. The error names the file; it wraps fs.ErrNotExist when
// there is none, and [Problems] when it is wrong.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w: name another file with --config", err)
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("the configuration file %s: %w", path, err)
	}
	return c, nil
}

// Parse reads and checks the contents of a configuration file. Its error is [Problems].
func Parse(data []byte) (*Config, error) {
	if len(data) > MaxBytes {
		return nil, Problems{{Text: fmt.Sprintf("it has more than the %d bytes allowed", MaxBytes)}}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // which some editors put first
	if p := checkSyntax(data); p != nil {
		return nil, Problems{*p}
	}
	problems, lines := walk(data)
	c := Default()
	if err := json.Unmarshal(data, &c); err != nil && len(problems) == 0 {
		return nil, Problems{{Text: err.Error()}}
	}
	for i := range c.Autostart.Workloads {
		if w := &c.Autostart.Workloads[i]; w.Namespace == "" {
			w.Namespace = nex.DefaultNamespace
		}
	}
	// What is of the wrong type is not decoded, so that complaints about its value would mislead.
	shape := problems.places()
	for _, p := range check(c) {
		if !shape.cover(p.Path) {
			p.Line = lines[p.Path]
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return nil, problems
	}
	return &c, nil
}

// checkSyntax returns the problem that keeps data from being a single JSON value, if there is one.
func checkSyntax(data []byte) *Problem {
	if len(bytes.TrimSpace(data)) == 0 {
		return &Problem{Text: "it is empty: write {} to take the defaults"}
	}
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	if err == nil {
		return nil
	}
	p := &Problem{Text: fmt.Sprintf("it is not JSON: %v (there are no comments, and no comma before } or ])", err)}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := data[:min(int(syntax.Offset), len(data))]
		p.Line = 1 + bytes.Count(before, []byte("\n"))
		if bytes.HasSuffix(before, []byte("\n")) { // the offset is past the byte that is wrong
			p.Line--
		}
	}
	return p
}
