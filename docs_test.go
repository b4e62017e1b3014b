package nex_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
)

var update = flag.Bool("update", false, "write the generated parts of docs anew")

// generated is a part of a document that a test writes: what makes it, of what, and its text.
var generated = regexp.MustCompile(`(?s)<!-- generated: (\w+) ?(\w*) -->\n.*?<!-- end -->`)

// TestDocs holds the tables of docs/protocol.md and docs/errors.md to the types and constants of
// this package. With -update it writes them.
func TestDocs(t *testing.T) {
	for _, name := range []string{"protocol.md", "errors.md"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("docs", name)
			old := string(readFile(t, path))
			text := generated.ReplaceAllStringFunc(old, func(part string) string {
				m := generated.FindStringSubmatch(part)
				heading, _, _ := strings.Cut(part, "\n")
				return heading + "\n" + generate(t, m[1], m[2]) + "<!-- end -->"
			})
			switch {
			case !generated.MatchString(old):
				t.Error("nothing in it is generated")
			case text == old:
			case *update:
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("it is not as the source says; go test . -run TestDocs -update\n%s", firstDifference(old, text))
			}
		})
	}
}

func firstDifference(old, text string) string {
	a, b := strings.Split(old, "\n"), strings.Split(text, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is  %s\nand not   %s", i+1, a[i], b[i])
		}
	}
	return "one is longer"
}

func generate(t *testing.T, kind, arg string) string {
	t.Helper()
	switch kind {
	case "fields":
		return fieldTable(t, arg)
	case "values":
		return valueTable(t, arg)
	case "operations":
		return operationTable(t)
	case "limits":
		return limitTable()
	case "codes":
		return codeTable()
	case "digest":
		return digestExample(t)
	}
	t.Fatalf("nothing makes %q", kind)
	return ""
}

// Each type that travels is documented once, and each name that the documents use exists.
func TestProtocolIsComplete(t *testing.T) {
	var tables []string
	for _, m := range generated.FindAllStringSubmatch(string(readFile(t, "docs", "protocol.md")), -1) {
		if m[1] == "fields" {
			tables = append(tables, m[2])
		}
	}
	slices.Sort(tables)
	want := wireTypes(t)
	slices.Sort(want)
	if !slices.Equal(tables, want) {
		t.Errorf("docs/protocol.md has tables of\n%s\nbut what travels is\n%s", tables, want)
	}
	for name := range fieldDocs {
		typeName, field, _ := strings.Cut(name, ".")
		if !slices.ContainsFunc(documented(t, typeName), func(f wireField) bool { return f.json == field }) {
			t.Errorf("fieldDocs has %s, which does not exist", name)
		}
	}
}

// TestLinks checks that links within docs/protocol.md and between the two documents lead somewhere.
func TestLinks(t *testing.T) {
	headings := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(string(readFile(t, "docs", "protocol.md")), -1) {
		headings["#"+strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	for _, name := range []string{"protocol.md", "errors.md"} {
		for _, m := range link.FindAllStringSubmatch(string(readFile(t, "docs", name)), -1) {
			file, anchor := m[1], m[2]
			if file != "" {
				if _, err := os.Stat(filepath.Join("docs", filepath.FromSlash(file))); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if anchor != "" && (file == "" || file == "protocol.md") && !headings[anchor] {
				t.Errorf("%s: link to %s, which is no heading", name, anchor)
			}
		}
	}
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	link    = regexp.MustCompile(`\]\(([^()#:]*)(#[^()]*)?\)`)
)

// wireField is a field of a type that travels.
type wireField struct {
	json     string
	kind     string // its JSON type, for people
	optional bool   // left out when it is empty
	doc      fieldDoc
}

// documented are the fields that a type itself has, with their documentation.
func documented(t testing.TB, typeName string) []wireField {
	t.Helper()
	of := reflect.TypeOf(wireValues[typeName])
	if of == nil {
		t.Fatalf("wireValues lacks %s", typeName)
	}
	var fields []wireField
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		doc, ok := fieldDocs[typeName+"."+name]
		if !ok {
			t.Errorf("fieldDocs lacks %s.%s", typeName, name)
		}
		fields = append(fields, wireField{name, jsonType(t, f.Type), strings.HasPrefix(options, "omit"), doc})
	}
	return fields
}

func jsonType(t testing.TB, of reflect.Type) string {
	t.Helper()
	switch of {
	case reflect.TypeFor[time.Time]():
		return "RFC 3339 time"
	case reflect.TypeFor[nex.Location]():
		return "[location](#location)"
	case reflect.TypeFor[json.RawMessage]():
		return "object"
	}
	switch of.Kind() {
	case reflect.String:
		if of.PkgPath() != "" {
			return "[" + of.Name() + "](#" + strings.ToLower(of.Name()) + ")"
		}
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "integer"
	case reflect.Pointer:
		return jsonType(t, of.Elem())
	case reflect.Slice:
		return "array of " + plural(jsonType(t, of.Elem()))
	case reflect.Map:
		return "object of " + plural(jsonType(t, of.Elem()))
	case reflect.Struct:
		return "[" + of.Name() + "](#" + strings.ToLower(of.Name()) + ")"
	}
	t.Fatalf("no JSON type for %s", of)
	return ""
}

func plural(kind string) string {
	if strings.HasPrefix(kind, "[") { // a name
		return kind
	}
	return kind + "s"
}

func fieldTable(t testing.TB, typeName string) string {
	t.Helper()
	fields := documented(t, typeName)
	presence := "presence"
	if slices.ContainsFunc(fields, func(f wireField) bool { return f.doc.absent != "" }) {
		presence = "if absent"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| field | type | %s | meaning |\n|---|---|---|---|\n", presence)
	of := reflect.TypeOf(wireValues[typeName])
	for i := range of.NumField() {
		if f := of.Field(i); f.Anonymous {
			fmt.Fprintf(&b, "| *all of* | [%s](#%s) | | |\n", f.Name, strings.ToLower(f.Name))
		}
	}
	for _, f := range fields {
		presence := f.doc.absent
		switch {
		case presence != "":
		case f.optional:
			presence = "may be absent"
		default:
			presence = "always"
		}
		name := "`" + f.json + "`"
		if f.doc.added {
			name += " **+**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, f.kind, presence, f.doc.text)
	}
	return b.String()
}

func valueTable(t testing.TB, ofType string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| value | meaning |\n|---|---|\n")
	for _, c := range constantsInOrder(t, ofType) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.value, dataLink.ReplaceAllString(c.comment, "data is [$1](#${1})"))
	}
	return anchors.ReplaceAllStringFunc(b.String(), strings.ToLower)
}

// In the comments of event types their data's type is in parentheses.
var (
	dataLink = regexp.MustCompile(`^\((\w+)\)$`)
	anchors  = regexp.MustCompile(`\(#\w+\)`)
)

func codeTable() string {
	var b strings.Builder
	b.WriteString("| code | status | what happened | what to do |\n|---|---|---|---|\n")
	for _, c := range nex.Codes {
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s |\n", c.Code, c.Status, c.Means, c.Do)
	}
	return b.String()
}

func digestExample(t testing.TB) string {
	t.Helper()
	v := digestVectors(t)[0]
	var request bytes.Buffer
	if err := json.Compact(&request, v.Request); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("```\nrequest    %s\ncanonical  %s\nsha256     %s\n```\n", &request, v.Canonical, v.SHA256)
}
