package config_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// paths are the paths of all fields that hold a value, as the Go types have them.
func paths(t reflect.Type, path string) []string {
	switch {
	case t.Kind() == reflect.Pointer:
		return paths(t.Elem(), path)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return paths(t.Elem(), path+"[]")
	case t.Kind() != reflect.Struct:
		return []string{path}
	}
	var all []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, paths(f.Type, strings.TrimPrefix(path+"."+name, "."))...)
	}
	return all
}

func TestFieldsAreComplete(t *testing.T) {
	want := paths(reflect.TypeFor[config.Config](), "")
	var got []string
	for _, f := range config.Fields() {
		got = append(got, f.Path)
		if f.Group == "" || f.Type == "" || f.Default == "" || f.Meaning == "" {
			t.Errorf("incomplete: %+v", f)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("Fields() has\n%q\nthe types have\n%q", got, want)
	}
}

// with is a configuration in which the field at path has the value, which is JSON.
func with(path, value string) string {
	steps := strings.Split(path, ".")
	for _, step := range slices.Backward(steps) {
		if name, list := strings.CutSuffix(step, "[]"); list {
			value = fmt.Sprintf(`{%q: [%s]}`, name, value)
		} else {
			value = fmt.Sprintf(`{%q: %s}`, step, value)
		}
	}
	return value
}

// hasProblem reports whether a configuration has a problem at the path.
func hasProblem(t *testing.T, text, path string) bool {
	t.Helper()
	path = strings.ReplaceAll(path, "[]", "[0]")
	return slices.ContainsFunc(problemsOf(t, text), func(s string) bool { return strings.HasPrefix(s, "line 1: "+path+": ") })
}

func TestEveryFieldHasItsType(t *testing.T) {
	values := map[string]string{"string": `"x"`, "number": "1", "boolean": "true", "list": "[]", "object": "{}", "null": "null"}
	for _, f := range config.Fields() {
		own, _, _ := strings.Cut(f.Type, " ")
		for kind, value := range values {
			if kind != own && !hasProblem(t, with(f.Path, value), f.Path) {
				t.Errorf("%s, a %s, may be %s", f.Path, f.Type, value)
			}
		}
	}
}

func TestNoNumberIsNegative(t *testing.T) {
	for _, f := range config.Fields() {
		if f.Type == "number" && !hasProblem(t, with(f.Path, "-1"), f.Path) {
			t.Errorf("%s may be negative", f.Path)
		}
	}
}

// The complete example has every field but those that exclude one another, and secrets.
func TestExampleIsComplete(t *testing.T) {
	data := read(t, "testdata/complete.json")
	if _, err := config.Parse(data); err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	left := []string{"kernel_filepath", "rootfs_filepath", "host_services.nats_context", "host_services.nats_user_jwt", "host_services.nats_user_seed"}
	for _, f := range config.Fields() {
		if got, want := holds(tree, strings.Split(f.Path, ".")), !slices.Contains(left, f.Path); got != want {
			t.Errorf("%s is in the complete example: %t, want %t", f.Path, got, want)
		}
	}
}

// holds reports whether a JSON value, or an element of a list in it, has something at the path.
func holds(tree any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	name, list := strings.CutSuffix(path[0], "[]")
	object, _ := tree.(map[string]any)
	below, there := object[name]
	if !list || !there {
		return there && holds(below, path[1:])
	}
	return slices.ContainsFunc(below.([]any), func(element any) bool { return holds(element, path[1:]) })
}

// The reference is the code's own: go test ./internal/config -update.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	have := string(read(t, path))
	want := replaceBetween(t, have, "errors", errorsExample(t))
	want = replaceBetween(t, want, "example", "```json\n"+string(read(t, "testdata/complete.json"))+"```\n")
	want = replaceBetween(t, want, "fields", tables())
	if have == want {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the code says: run go test ./internal/config -update", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// errorsExample is a wrong configuration with what is said about it.
func errorsExample(t *testing.T) string {
	t.Helper()
	data := read(t, "testdata/wrong.json")
	_, err := config.Parse(data)
	if err == nil {
		t.Fatal("the wrong configuration is accepted")
	}
	return "```json\n" + string(data) + "```\n\n```text\nthe configuration file config.json: " + err.Error() + "\n```\n"
}

// replaceBetween puts text between the comments that mark a part of a document.
func replaceBetween(t *testing.T, document, part, text string) string {
	t.Helper()
	begin, end := "<!-- begin "+part+" -->\n", "<!-- end "+part+" -->\n"
	before, rest, found := strings.Cut(document, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("the document has no part between %q and %q", begin, end)
	}
	return before + begin + "\n" + text + "\n" + end + after
}

// tables are the fields in Markdown, a table for each group.
func tables() string {
	var b strings.Builder
	group := ""
	for _, f := range config.Fields() {
		if f.Group != group {
			if group != "" {
				b.WriteString("\n")
			}
			group = f.Group
			b.WriteString("### " + group + "\n\n| field | type | default | meaning |\n|---|---|---|---|\n")
		}
		value := f.Default
		if json.Valid([]byte(value)) {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Path, f.Type, value, f.Meaning)
	}
	return b.String()
}
