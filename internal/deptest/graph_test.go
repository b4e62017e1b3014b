package deptest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/nex-engine/nex"

// root is the module's directory, as seen from the tests' working directory.
const root = "../.."

// A pkg is what "go list -json" tells of a package.
type pkg struct {
	ImportPath string
	Name       string
	Doc        string
	Standard   bool
	Imports    []string
}

// A graph is all packages that the module links, by import path. Tests and what only they import
// are not in it.
type graph map[string]pkg

// loadGraph asks the go command for the graph, as it is with the environment env besides the test's own.
func loadGraph(t *testing.T, env ...string) graph {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Name,Doc,Standard,Imports", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	}
	g := graph{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatalf("decode what go list printed: %v", err)
		}
		g[p.ImportPath] = p
	}
}

// own are the import paths of the module's packages, sorted.
func (g graph) own() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for path := range g {
			if isOwn(path) && !yield(path) {
				return
			}
		}
	})
}

func isOwn(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// links returns how each package that from links is reached: the import path of the one before it.
func (g graph) links(from string) map[string]string {
	via := map[string]string{}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, to := range g[queue[0]].Imports {
			if _, seen := via[to]; !seen && to != from {
				via[to] = queue[0]
				queue = append(queue, to)
			}
		}
	}
	return via
}

// chain spells out how from comes to link to.
func chain(via map[string]string, from, to string) string {
	path := short(to)
	for to != from {
		to = via[to]
		path = short(to) + " → " + path
	}
	return path
}

// short is an import path as the rules write it.
func short(path string) string {
	if path == module {
		return "."
	}
	if rest, ok := strings.CutPrefix(path, module+"/"); ok {
		return "./" + rest
	}
	return path
}

// compile turns a pattern of the rules into an expression on import paths.
func compile(pattern string) *regexp.Regexp {
	path := pattern
	if pattern == "." {
		path = module
	} else if rest, ok := strings.CutPrefix(pattern, "./"); ok {
		path = module + "/" + rest
	}
	path, below := strings.CutSuffix(path, "/...")
	expr := strings.ReplaceAll(regexp.QuoteMeta(path), `\*`, `[^/]+`)
	if below {
		expr += `(/.*)?`
	}
	return regexp.MustCompile(`^` + expr + `$`)
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return compile(p).MatchString(path) })
}

// match are the module's packages that pattern names.
func (g graph) match(pattern string) []string {
	re := compile(pattern)
	return slices.DeleteFunc(g.own(), func(path string) bool { return !re.MatchString(path) })
}

// within reports whether path is pkg or lies below it.
func within(path, pkg string) bool { return path == pkg || strings.HasPrefix(path, pkg+"/") }

// breaches returns a sentence for each way in which g breaks the rule. It follows the shortest chain
// of imports to each package, and does not go on about what lies behind a package that it names.
func (b ban) breaches(g graph) []string {
	var found []string
	to := compile(b.to)
	for _, from := range g.match(b.from) {
		via := g.links(from)
		banned := func(path string) bool {
			return to.MatchString(path) && !within(path, from) && !within(from, path)
		}
		for _, path := range slices.Sorted(maps.Keys(via)) {
			if banned(path) && !banned(via[path]) { // what a banned package links is not news
				found = append(found, fmt.Sprintf("%s must not link %s: %s (%s)", short(from), short(path), b.why, chain(via, from, path)))
			}
		}
	}
	return found
}

func (b bound) breaches(g graph) []string {
	var found []string
	for _, from := range g.match(b.from) {
		via := g.links(from)
		banned := func(path string) bool {
			// What the standard library links, such as C for cgo, is a part of it.
			return path != from && !g[path].Standard && !g[via[path]].Standard && !matchAny(b.only, path)
		}
		for _, path := range slices.Sorted(maps.Keys(via)) {
			if banned(path) && !banned(via[path]) {
				found = append(found, fmt.Sprintf("%s must not link %s: %s (%s)", short(from), short(path), b.why, chain(via, from, path)))
			}
		}
	}
	return found
}

func (r reserve) breaches(g graph) []string {
	var found []string
	reserved := compile(r.pkg)
	for _, path := range g.own() {
		if matchAny(r.importers, path) {
			continue
		}
		for _, imported := range g[path].Imports {
			if reserved.MatchString(imported) && !within(path, imported) {
				found = append(found, fmt.Sprintf("%s must not import %s: %s", short(path), short(imported), r.why))
			}
		}
	}
	return found
}
