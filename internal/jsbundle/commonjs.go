package jsbundle

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// A script and a CommonJS module can look alike: the bundler takes a file for one when it so much as
// names module or exports, or has eval in it. What decides here is where the file names them:
//
//   - A statement that assigns to them, or hands exports to a function, at the top level makes it
//     CommonJS: nothing has these names in a script, where the statement could only throw.
//   - Within functions and conditions they are also in libraries that work both ways, which may be
//     pasted into a script. The file is CommonJS then if its last statement is one that names them: a
//     library alone, whose statement has no value of its own. If another statement comes last, or the
//     last is a function and no more, that one is the function, and the file is a script.
//
// The bundler prints each top-level statement at the beginning of a line, and indents what is in it.

// looking makes options those for printing a file so that it can be looked at: without comments, and
// without strings that go over several lines.
func looking(o api.BuildOptions) api.BuildOptions {
	o.Supported = map[string]bool{"template-literal": false}
	o.LegalComments = api.LegalCommentsNone
	return o
}

const (
	// esModule is set in exports of what was an ES module once.
	esModule = "__esModule"
	// writeExports is what to write in a CommonJS module.
	writeExports = "write module.exports = (subject, payload) => …"
	// exportsObject is the object of what a CommonJS module exports.
	exportsObject = `(?:module\.exports|module\["exports"\]|exports)\b`
	// simple is a piece of an argument in which nothing is called but require.
	simple = `(?:[^()"]|"(?:[^"\\]|\\.)*"|require\("[^"]*"\))`
	// assigned are what the same statement assigns to first, if anything.
	assigned = `^(?:(?:var|let|const) )?(?:[\w$.]+ = )*?`
)

var (
	mentioned  = regexp.MustCompile(`\b(?:module|exports)\b`)
	named      = regexp.MustCompile(`(?:^|[^\w$."])` + exportsObject)
	wholeSet   = regexp.MustCompile(assigned + `module(?:\.exports|\["exports"\]) = (.*)`)
	memberSet  = regexp.MustCompile(assigned + exportsObject + `(?:\.([\w$]+)|\["([^"]*)"\]|\[[^\]]*\])[^=]*? = `)
	handedOver = regexp.MustCompile(assigned + `(?:\(0, )?[\w$.]+\)?\((?:` + simple + `*, )?` + exportsObject + `[,)]`)
	arrow      = regexp.MustCompile(`^(?:async )?\([^()]*\) => `)
	function   = regexp.MustCompile(`^\((?:async )?function\b`)
)

// exporting is how a file exports at its top level.
type exporting struct {
	silent  bool     // it does not export at all, anywhere
	whole   string   // what module.exports is set to last, as far as it is on the line
	names   []string // those that are set on it one by one
	unknown bool     // it is handed to a function, or set under a name that is computed
	inLast  bool     // the last statement names it
	// esModule says that it was an ES module once, whose default export is the function.
	esModule bool
}

// exportingOf looks at a file as the bundler prints it.
func exportingOf(printed []byte) exporting {
	e := exporting{silent: !mentioned.Match(printed)}
	var last []string // lines of the last statement
	for line := range strings.Lines(string(printed)) {
		if begins(line) {
			last = last[:0]
			e.note(line)
		}
		last = append(last, line)
	}
	statement := strings.Join(last, "")
	e.inLast = named.MatchString(statement) && !isFunction(statement)
	return e
}

// isFunction reports whether a statement is a function and nothing else, not even its call.
func isFunction(statement string) bool {
	if !function.MatchString(statement) {
		return arrow.MatchString(statement)
	}
	_, end, _ := strings.Cut(statement, "\n}") // of the function; what is called goes on there
	return strings.TrimSpace(end) == ");"
}

// begins reports whether a line is the first of a top-level statement.
func begins(line string) bool {
	return !strings.ContainsAny(line[:1], " \t\n})]") && !strings.HasPrefix(line, "else ") && line != "else\n"
}

// note takes in the first line of a statement.
func (e *exporting) note(line string) {
	if m := wholeSet.FindStringSubmatch(line); m != nil {
		e.whole = strings.TrimSpace(m[1])
		return
	}
	m := memberSet.FindStringSubmatch(line)
	switch {
	case m == nil && !handedOver.MatchString(line):
	case strings.Contains(line, esModule):
		e.esModule = true
	case m != nil && m[1]+m[2] != "":
		e.names = append(e.names, m[1]+m[2])
	default:
		e.unknown = true
	}
}

// commonJS reports whether the file is a CommonJS module.
func (e *exporting) commonJS() bool {
	return e.whole != "" || len(e.names) > 0 || e.unknown || e.esModule || e.inLast
}

// check refuses a module that exports other things than a function, as far as that can be seen.
func (e *exporting) check(path string) error {
	if e.unknown || e.esModule && (e.whole != "" || slices.Contains(e.names, "default")) {
		return nil
	}
	switch {
	case e.silent:
		return fmt.Errorf("%s exports nothing: %s", path, writeExports)
	case e.whole == "" && len(e.names) > 0:
		return fmt.Errorf("%s sets exports.%s, but module.exports itself is the function to call: %s", path, e.names[0], writeExports)
	case strings.HasPrefix(e.whole, "{"):
		return fmt.Errorf("%s sets module.exports to an object, but it is the function to call: %s", path, writeExports)
	}
	return nil
}
