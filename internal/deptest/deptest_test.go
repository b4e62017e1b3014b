package deptest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// rule is what the tables of rules have in common.
type rule interface{ breaches(graph) []string }

func rules() []rule {
	var all []rule
	for _, b := range bans {
		all = append(all, b)
	}
	for _, b := range bounds {
		all = append(all, b)
	}
	for _, r := range reserves {
		all = append(all, r)
	}
	return all
}

// patterns are all the patterns of the rules, but for those of the standard library: that nothing
// links one of its packages is as good as it gets.
func patterns() []string {
	var all []string
	for _, b := range bans {
		all = append(all, b.from, b.to)
	}
	for _, b := range bounds {
		all = append(append(all, b.from), b.only...)
	}
	for _, r := range reserves {
		all = append(append(all, r.pkg), r.importers...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(p string) bool { return !strings.Contains(p, ".") })
}

// Files for one system can import what those for another do not, so each graph is looked at. With
// cgo where releases use it, so that files which need it are seen.
func TestImports(t *testing.T) {
	for _, env := range [][]string{
		{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1"},
		{"GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0"},
		{"GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0"},
	} {
		t.Run(env[0], func(t *testing.T) {
			t.Parallel()
			g := loadGraph(t, env...)
			for _, r := range rules() {
				for _, b := range r.breaches(g) {
					t.Error(b)
				}
			}
			for _, path := range g.own() {
				if g[path].Doc == "" {
					t.Errorf("%s has no package comment: say what it is for, what not, and what holds for concurrent use", short(path))
				}
			}
		})
	}
}

func TestPatternsMatch(t *testing.T) {
	g := loadGraph(t)
	all := patterns()
	for _, p := range all {
		exists := slices.ContainsFunc(slices.Collect(maps.Keys(g)), compile(p).MatchString)
		switch isPlanned := slices.Contains(planned, p); {
		case !exists && !isPlanned:
			t.Errorf("pattern %q matches no package: mend its spelling, or add it to planned", p)
		case exists && isPlanned:
			t.Errorf("pattern %q matches packages: remove it from planned", p)
		}
	}
	for _, p := range planned {
		if !slices.Contains(all, p) {
			t.Errorf("planned has %q, which no rule uses", p)
		}
	}
}

// sample is a graph with one fault of each kind, among packages that keep to the rules.
func sample() graph {
	g := graph{"fmt": {Standard: true}, "testing": {Standard: true}, "example.org/lib/sub": {Imports: []string{"example.org/lib"}}, "example.org/lib": {}}
	for path, imports := range map[string][]string{
		".":              {"fmt", "example.org/lib/sub"},
		"./guest":        {"fmt", "./link"},
		"./link":         {".", "./host", "testing"},
		"./host":         {"."},
		"./drv/a":        {".", "./drv/b/sub", "./drv/a/sub"},
		"./drv/a/sub":    {"./drv/a"},
		"./drv/b/sub":    {"."},
		"./drv/official": {"./drv"},
		"./drv":          {"."},
	} {
		long := make([]string, len(imports))
		for i, s := range imports {
			long[i] = lengthen(s)
		}
		g[lengthen(path)] = pkg{Imports: long}
	}
	return g
}

// lengthen undoes short.
func lengthen(s string) string {
	if s == "." {
		return module
	}
	if rest, ok := strings.CutPrefix(s, "./"); ok {
		return module + "/" + rest
	}
	return s
}

func TestBreaches(t *testing.T) {
	tests := []struct {
		name string
		rule rule
		want []string // parts of the breaches, in order
	}{
		{"ban through another", ban{"./guest", "./host/...", "why"}, []string{"./guest must not link ./host: why (./guest → ./link → ./host)"}},
		{"ban of the standard library", ban{"./guest", "testing", "why"}, []string{"(./guest → ./link → testing)"}},
		{"ban of another module", ban{".", "example.org/lib/...", "why"}, []string{". must not link example.org/lib/sub"}},
		{"ban kept", ban{"./host", "./link", "why"}, nil},
		{"prefix is no match", ban{"./guest", "./ho/...", "why"}, nil},
		{
			"siblings, but neither parents nor children",
			ban{"./drv/*/...", "./drv/...", "why"},
			[]string{"./drv/a must not link ./drv/b/sub", "./drv/a/sub must not link ./drv/b/sub"},
		},
		{"one element", ban{"./drv/*", "./drv/b/*", "why"}, []string{"./drv/a must not link ./drv/b/sub"}},
		{"only the first on the way", ban{".", "example.org/...", "why"}, []string{". must not link example.org/lib/sub"}},
		{"bound broken", bound{".", nil, "why"}, []string{". must not link example.org/lib/sub: why"}},
		{"bound broken below", bound{"./host", []string{"."}, "why"}, []string{"./host must not link example.org/lib/sub"}},
		{"bound kept", bound{"./host", []string{".", "example.org/lib/..."}, "why"}, nil},
		{"reserve broken", reserve{"./host", []string{"./guest"}, "why"}, []string{"./link must not import ./host: why"}},
		{"reserve of another module", reserve{"example.org/lib/...", nil, "why"}, []string{". must not import example.org/lib/sub: why"}},
		{"reserve kept", reserve{"./host", []string{"./link"}, "why"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.rule.breaches(sample())
			if len(got) != len(tt.want) {
				t.Fatalf("breaches = %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.Contains(got[i], tt.want[i]) {
					t.Errorf("breach %d = %q, want %q in it", i, got[i], tt.want[i])
				}
			}
		})
	}
}
