package cli_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/nex-engine/nex/internal/cli"
)

// generated is a part of docs/cli.md that TestDocs writes: its name, and its text.
var generated = regexp.MustCompile(`(?s)<!-- generated: (\w+) -->\n.*?<!-- end -->`)

// TestDocs holds docs/cli.md to the command table. With -update it writes the parts that are
// generated.
func TestDocs(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "cli.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	app := model(t)
	makers := map[string]func(*kong.Application) string{
		"commands": commandSections, "global": globalTable, "connection": connectionTable, "environment": environmentTable,
	}
	made := map[string]bool{}
	text := generated.ReplaceAllStringFunc(string(b), func(part string) string {
		name := generated.FindStringSubmatch(part)[1]
		if makers[name] == nil {
			t.Fatalf("nothing makes %q", name)
		}
		made[name] = true
		return "<!-- generated: " + name + " -->\n\n" + makers[name](app) + "\n<!-- end -->"
	})
	if len(made) != len(makers) {
		t.Errorf("it has only the generated parts %v", made)
	}
	if text == string(b) {
		return
	}
	if !*update {
		t.Fatal("docs/cli.md is not as the command table: go test ./internal/cli -run TestDocs -update")
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func commandSections(app *kong.Application) string {
	var sections []string
	for _, n := range app.Leaves(true) {
		s := fmt.Sprintf("### nex %s\n\n%s\n", n.Path(), n.Help)
		s += fmt.Sprintf("\n```sh\nnex %s\n```\n", n.Summary())
		if n.Detail != "" {
			s += "\n" + n.Detail + "\n"
		}
		if len(n.Positional) > 0 {
			s += "\n" + argumentTable(n.Positional)
		}
		if own := ungrouped(n.Flags); len(own) > 0 {
			s += "\n" + flagTable(own)
		}
		sections = append(sections, s)
	}
	return strings.Join(sections, "\n")
}

func ungrouped(flags []*kong.Flag) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f *kong.Flag) bool { return f.Group != nil })
}

func inGroup(app *kong.Application, key string) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(app.Flags), func(f *kong.Flag) bool { return f.Group == nil || f.Group.Key != key })
}

func globalTable(app *kong.Application) string     { return flagTable(inGroup(app, cli.GroupGlobal)) }
func connectionTable(app *kong.Application) string { return flagTable(inGroup(app, cli.GroupNATS)) }

func argumentTable(arguments []*kong.Positional) string {
	s := "| argument | meaning |\n|---|---|\n"
	for _, a := range arguments {
		s += row(code(a.Summary()), a.Help)
	}
	return s
}

func flagTable(flags []*kong.Flag) string {
	s := "| flag | meaning | default | environment |\n|---|---|---|---|\n"
	for _, f := range flags {
		s += row(spelling(f), f.Help, defaultOf(f), codes(f.Tag.Envs))
	}
	return s
}

// spelling is how to write a flag, in all ways.
func spelling(f *kong.Flag) string {
	value := ""
	if !f.IsBool() {
		value = "=" + f.FormatPlaceHolder()
	}
	all := []string{"--" + f.Name + value}
	if f.Short != 0 {
		all = []string{"-" + string(f.Short), all[0]}
	}
	if f.Tag.Negatable != "" {
		all = append(all, "--no-"+f.Name)
	}
	for _, alias := range f.Aliases {
		all = append(all, "--"+alias)
	}
	return codes(all)
}

func defaultOf(f *kong.Flag) string {
	if f.IsBool() || f.Default == "" {
		return ""
	}
	return code(f.Default)
}

// environmentTable names each variable that stands for a flag once.
func environmentTable(app *kong.Application) string {
	flags := map[string][]string{}
	for _, n := range append([]*kong.Node{app.Node}, app.Leaves(true)...) {
		for _, f := range n.Flags {
			for _, name := range f.Tag.Envs {
				if flag := "--" + f.Name; !slices.Contains(flags[name], flag) {
					flags[name] = append(flags[name], flag)
				}
			}
		}
	}
	s := "| variable | stands for |\n|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		s += row(code(name), codes(flags[name]))
	}
	return s
}

func row(cells ...string) string {
	s := "|"
	for _, c := range cells {
		s += strings.TrimRight(" "+strings.ReplaceAll(c, "|", `\|`), " ") + " |"
	}
	return s + "\n"
}

func code(s string) string { return "`" + s + "`" }

func codes(list []string) string {
	var quoted []string
	for _, s := range list {
		quoted = append(quoted, code(s))
	}
	return strings.Join(quoted, ", ")
}
