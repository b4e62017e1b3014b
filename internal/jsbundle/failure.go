package jsbundle

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// failure makes a sentence of the bundler's error, with what to do about the common ones.
func failure(dir string, m api.Message) error {
	text := m.Text
	if rest, ok := strings.CutPrefix(text, `Could not resolve "`); ok {
		name, _, _ := strings.Cut(rest, `"`)
		text = unresolved(name, m.Notes)
	}
	switch {
	case strings.HasPrefix(text, "Top-level await"):
		text = "a function cannot await outside of functions: do it in the function, or keep the promise and await that there"
	case strings.HasPrefix(text, "No loader is configured for"):
		text += ": import JavaScript, TypeScript, JSON or text (.txt, .md, .html, .sql)"
	}
	return errors.New(sentence(dir, m.Location, text))
}

// warning makes a sentence of the bundler's warning.
func warning(dir string, m api.Message) string {
	text := m.Text
	if strings.HasPrefix(text, `"import.meta"`) {
		text = "import.meta is empty in a function, which has no address: import the file that is needed, or give the address in the environment"
	}
	return sentence(dir, m.Location, text)
}

// noURLs refuses to import from other machines, which the bundler would leave to the runtime.
var noURLs = api.Plugin{Name: "no-urls", Setup: func(build api.PluginBuild) {
	build.OnResolve(api.OnResolveOptions{Filter: `^(https?:)?//`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		text := fmt.Sprintf("%q is on another machine, which nothing is imported from: download it, or use a package", args.Path)
		return api.OnResolveResult{Errors: []api.Message{{Text: text}}}, nil
	})
}}

// unresolved says what is the matter with an import that leads nowhere.
func unresolved(name string, notes []api.Note) string {
	switch {
	case isNodes(name):
		return fmt.Sprintf("%q is part of Node.js, which functions do not run in: use what the web platform and hostServices offer, or a package that does", name)
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/"):
		return fmt.Sprintf("there is no file %q to import: check its name and where it lies", name)
	}
	for _, n := range notes {
		if n.Location != nil { // something that is there and says no
			return fmt.Sprintf("%q cannot be imported: %s", name, n.Text)
		}
	}
	return fmt.Sprintf("there is no package %q to import: install it beside the file, with npm install %s for example", name, packageName(name))
}

// packageName is the package of an import, which may name a file in it.
func packageName(name string) string {
	parts := 1
	if strings.HasPrefix(name, "@") {
		parts = 2
	}
	all := strings.SplitN(name, "/", parts+1)
	return strings.Join(all[:min(parts, len(all))], "/")
}

// sentence puts in front of a text what it is about, as compilers write it.
func sentence(dir string, l *api.Location, text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if l == nil {
		return text
	}
	file := l.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, filepath.FromSlash(file))
	}
	return fmt.Sprintf("%s:%d:%d: %s", file, l.Line, l.Column+1, text)
}
