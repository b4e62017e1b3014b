package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// The shells' way to ask a program for completions: the line, and how much of it is before the cursor.
const (
	completeLine  = "COMP_LINE"
	completePoint = "COMP_POINT"
)

// complete prints what the word before the cursor can become, a candidate a line. Without any the
// shell offers files.
func complete(w io.Writer, app *kong.Node) error {
	line := []rune(os.Getenv(completeLine)) // the point counts characters
	if point, err := strconv.Atoi(os.Getenv(completePoint)); err == nil && point >= 0 && point < len(line) {
		line = line[:point]
	}
	for _, c := range candidates(app, string(line)) {
		if _, err := fmt.Fprintln(w, c); err != nil {
			return err
		}
	}
	return nil
}

// candidates returns, in order, what the last word of the line can become.
func candidates(app *kong.Node, line string) []string {
	words := splitLine(line)
	if len(words) < 2 { // the program itself, and the word to complete
		return nil
	}
	last := len(words) - 1
	at := position{node: app}
	for _, w := range words[1:last] {
		at.pass(w)
	}
	all := at.offers(words[last])
	all = slices.DeleteFunc(all, func(c string) bool { return !strings.HasPrefix(c, words[last]) })
	slices.Sort(all)
	return slices.Compact(all)
}

// position is how far a command line has come.
type position struct {
	node      *kong.Node // the command so far
	arguments int        // how many it has
	flag      *kong.Flag // waits for its value
	argsOnly  bool       // after --
}

// pass goes on by one word.
func (p *position) pass(word string) {
	switch {
	case p.flag != nil:
		p.flag = nil
	case p.argsOnly:
		p.arguments++
	case word == "--":
		p.argsOnly = true
	case strings.HasPrefix(word, "-"):
		if f := p.find(word); f != nil && !f.IsBool() {
			p.flag = f
		}
	default:
		if child := p.command(word); child != nil {
			p.node, p.arguments = child, 0
		} else {
			p.arguments++
		}
	}
}

func (p *position) command(name string) *kong.Node {
	for _, c := range p.node.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// find returns the flag that a whole word is; one with its value in the same word is none.
func (p *position) find(word string) *kong.Flag {
	for _, group := range p.node.AllFlags(false) {
		for _, f := range group {
			if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
				return f
			}
			for _, alias := range f.Aliases {
				if word == "--"+alias {
					return f
				}
			}
		}
	}
	return nil
}

// offers returns what can stand here, given what of it is there already.
func (p *position) offers(word string) []string {
	if p.flag != nil {
		return values(p.flag.Value)
	}
	if strings.HasPrefix(word, "-") && !p.argsOnly {
		if name, _, ok := strings.Cut(word, "="); ok {
			return p.assignments(name)
		}
		return p.flags()
	}
	var all []string
	for _, c := range p.node.Children {
		if !c.Hidden {
			all = append(all, c.Name)
		}
	}
	arguments := p.node.Positional
	if n := len(arguments); n > 0 && (p.arguments < n || arguments[n-1].IsCumulative()) {
		all = append(all, values(arguments[min(p.arguments, n-1)])...)
	}
	return all
}

func (p *position) flags() []string {
	var all []string
	for _, group := range p.node.AllFlags(true) {
		for _, f := range group {
			all = append(all, "--"+f.Name)
			if f.Tag.Negatable != "" {
				all = append(all, "--no-"+f.Name)
			}
		}
	}
	return all
}

// assignments are a flag's values as --name=value.
func (p *position) assignments(name string) []string {
	f := p.find(name)
	if f == nil {
		return nil
	}
	all := values(f.Value)
	for i, v := range all {
		all[i] = name + "=" + v
	}
	return all
}

// values are what a flag or an argument can be, if that is limited.
func values(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" })
}

// splitLine cuts a line into words as a shell does. The last word is the one under the cursor; it
// is empty after a space.
func splitLine(line string) []string {
	words := []string{""}
	var quote rune // in which the word is at present
	escaped, inSpace := false, false
	for _, r := range line {
		last := &words[len(words)-1]
		switch {
		case escaped:
			*last += string(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inSpace = true, false
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inSpace = r, false
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if !inSpace && (len(words) > 1 || *last != "") {
				words = append(words, "")
			}
			inSpace = true
		default:
			*last += string(r)
			inSpace = false
		}
	}
	return words
}
