package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/nex-engine/nex/internal/cli/render"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a failure to use the command line.
type usageError struct {
	err     error
	command string // whose help to read; empty before one is known
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// wrongUsage makes a usageError of what the parser says.
func wrongUsage(err error) error {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return &usageError{err: err}
	}
	at := parse.Context.Selected()
	if at == nil {
		at = parse.Context.Model.Node
	}
	return &usageError{err: errors.New(reword(err.Error(), at)), command: commandLine(at)}
}

// inCommand adds the command to a usageError of its Run.
func inCommand(err error, at *kong.Node) error {
	var wrong *usageError
	if errors.As(err, &wrong) && wrong.command == "" {
		wrong.command = commandLine(at)
	}
	return err
}

// commandLine is how to call a command.
func commandLine(at *kong.Node) string { return strings.TrimSpace("nex " + at.Path()) }

// reword says what the parser says more exactly, where it can. What it does not know it leaves.
func reword(message string, at *kong.Node) string {
	command := commandLine(at)
	if word, ok := strings.CutPrefix(message, "unexpected argument "); ok && len(at.Children) > 0 {
		word, suggestion, ok := strings.Cut(word, ", did you mean ")
		if ok {
			suggestion = ": did you mean " + suggestion
		}
		return fmt.Sprintf("there is no command %q%s", command+" "+word, suggestion)
	}
	if value, rest, ok := strings.Cut(message, " must be one of "); ok {
		if allowed, got, ok := strings.Cut(rest, " but got "); ok {
			return fmt.Sprintf("%s must be %s, not %s", value, alternatives(strings.Split(allowed, ",")), got)
		}
	}
	if flag, _, ok := strings.Cut(message, ": expected "); ok && strings.HasSuffix(message, "<EOL>)") {
		return flag + " needs a value"
	}
	if missing, ok := strings.CutPrefix(message, "expected "); ok {
		if len(at.Children) > 0 {
			return command + " needs a command: " + alternatives(commandNames(at))
		}
		if arguments, err := strconv.Unquote(missing); err == nil {
			return command + " needs " + arguments
		}
	}
	return message
}

// alternatives lists words, as they are or in quotes: a, b or c.
func alternatives(words []string) string {
	var list []string
	for _, w := range words {
		if w = strings.Trim(w, `"`); w != "" { // the empty one stands for none given
			list = append(list, w)
		}
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

func commandNames(n *kong.Node) []string {
	var names []string
	for _, c := range n.Children {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

// report is the one place that tells people of a failure. It returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(w, "nex: error: "+paragraph(err.Error()))
	var wrong *usageError
	if errors.As(err, &wrong) {
		fmt.Fprintf(w, "nex: hint: see %s --help\n", cmp.Or(wrong.command, "nex"))
		return exitUsage
	}
	return exitFailed
}

// paragraph keeps the lines of a message, cleans them, and indents all but the first: what a node
// answers cannot pass for another line of nex.
func paragraph(message string) string {
	lines := strings.Split(strings.TrimRight(message, "\n"), "\n")
	for i, l := range lines {
		lines[i] = render.Text(l)
		if i > 0 && !strings.HasPrefix(l, "  ") {
			lines[i] = "  " + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}
