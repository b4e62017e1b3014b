package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// maxDepth bounds the nesting of public_nats_server, the only field with a shape of its own.
const maxDepth = 64

// walk compares a JSON value with the shape of [Config]: it returns what does not fit, and the line
// of each path. It takes names as they are, while encoding/json takes those that differ in case, takes
// the last of duplicates, and takes null for anything.
func walk(data []byte) (Problems, map[string]int) {
	w := &walker{data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: 1, lines: map[string]int{}}
	w.dec.UseNumber()
	w.value("", reflect.TypeFor[Config](), 0)
	return w.problems, w.lines
}

type walker struct {
	data     []byte
	dec      *json.Decoder
	offset   int // up to which lines are counted
	line     int // of the last token
	lines    map[string]int
	problems Problems
}

// next returns the next token of data, which is known to be valid JSON.
func (w *walker) next() json.Token {
	token, err := w.dec.Token()
	if err != nil {
		panic(fmt.Sprintf("config: read valid JSON: %v", err))
	}
	end := int(w.dec.InputOffset())
	w.line += bytes.Count(w.data[w.offset:end], []byte("\n"))
	w.offset = end
	return token
}

func (w *walker) complain(path, format string, args ...any) {
	w.problems = append(w.problems, Problem{Path: path, Line: w.line, Text: fmt.Sprintf(format, args...)})
}

// value compares the next value with the type; nil is any type.
func (w *walker) value(path string, t reflect.Type, depth int) {
	token := w.next()
	if depth > maxDepth {
		w.complain(path, "it is nested deeper than %d levels", maxDepth)
		w.skip(token)
		return
	}
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	w.lines[path] = w.line
	want, got := kindOfType(t), kindOfToken(token)
	if t != nil && want != got {
		w.mismatch(path, want, got, token)
		w.skip(token)
		return
	}
	switch got {
	case kindObject:
		w.object(path, t, depth)
	case kindList:
		w.list(path, t, depth)
	case kindNumber:
		if t != nil {
			w.number(path, token.(json.Number), t)
		}
	}
}

func (w *walker) number(path string, n json.Number, t reflect.Type) {
	if t.Kind() != reflect.Float64 {
		w.integer(path, n, t.Bits())
	} else if _, err := n.Float64(); err != nil {
		w.complain(path, "expected a number, got one that is too large")
	}
}

func (w *walker) mismatch(path string, want, got kind, token json.Token) {
	switch got {
	case kindNull:
		w.complain(path, "expected %s, got null: leave the field out to take its default", want)
	case kindBool:
		w.complain(path, "expected %s, got %t", want, token)
	default:
		w.complain(path, "expected %s, got %s", want, got)
	}
}

// object compares the members of an object, up to its end.
func (w *walker) object(path string, t reflect.Type, depth int) {
	seen := map[string]int{}
	members := membersOf(t)
	for w.dec.More() {
		name := w.next().(string)
		at := join(path, name)
		if line, twice := seen[name]; twice {
			w.complain(at, "it is given twice, the first time on line %d: remove one of them", line)
		}
		seen[name] = w.line
		member, known := members.typeOf(name)
		if !known {
			w.complain(at, "there is no such field%s", members.hint(path, name))
			w.skip(w.next())
			continue
		}
		w.value(at, member, depth+1)
	}
	w.next()
}

// list compares the elements of a list, up to its end.
func (w *walker) list(path string, t reflect.Type, depth int) {
	var element reflect.Type
	if t != nil {
		element = t.Elem()
	}
	for i := 0; w.dec.More(); i++ {
		w.value(path+"["+strconv.Itoa(i)+"]", element, depth+1)
	}
	w.next()
}

func (w *walker) integer(path string, n json.Number, bits int) {
	switch _, err := strconv.ParseInt(n.String(), 10, bits); {
	case errors.Is(err, strconv.ErrRange):
		w.complain(path, "expected a whole number, got one that is too large")
	case err != nil:
		w.complain(path, "expected a whole number, got %s: write it without point and exponent", clip(n.String()))
	}
}

// skip passes over the value that begins with token.
func (w *walker) skip(token json.Token) {
	for depth := 0; ; token = w.next() {
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return
		}
	}
}

// members are what an object may have: the fields of a struct, or anything of one type.
type members struct {
	names  []string // of a struct, in its order
	types  map[string]reflect.Type
	others reflect.Type // of all names, if types is nil; nil for any
}

func membersOf(t reflect.Type) members {
	switch {
	case t == nil || t == rawType:
		return members{}
	case t.Kind() == reflect.Map:
		return members{others: t.Elem()}
	}
	m := members{types: map[string]reflect.Type{}}
	for _, f := range reflect.VisibleFields(t) {
		name := jsonName(f)
		m.names = append(m.names, name)
		m.types[name] = f.Type
	}
	return m
}

func (m members) typeOf(name string) (reflect.Type, bool) {
	if m.types == nil {
		return m.others, true
	}
	t, known := m.types[name]
	return t, known
}

// hint says what may have been meant by a name that is not a member.
func (m members) hint(path, name string) string {
	if near := nearest(name, m.names); near != "" {
		return ": did you mean " + join(path, near) + "?"
	}
	if len(m.names) <= 10 {
		return ": those here are " + strings.Join(m.names, ", ")
	}
	return ""
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// plain are the names that stand in a path as they are.
var plain = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// join appends a member to a path: a.b, or a["b c"].
func join(path, name string) string {
	switch {
	case !plain.MatchString(name):
		return path + "[" + strconv.Quote(clip(name)) + "]"
	case path == "":
		return clip(name)
	}
	return path + "." + clip(name)
}

// clip shortens what a file says for use in a message.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
