package deptest_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxLines is where a file stops being about one idea. Tests and generated code may be longer.
const maxLines = 800

// emptyNames are package names that say nothing of what is inside.
var emptyNames = []string{"util", "utils", "common", "types", "models", "helpers", "helper", "misc", "shared", "base"}

// TestSource holds every Go file of the module to the rules that offences checks.
func TestSource(t *testing.T) {
	files := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && isForeign(name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		files++
		for _, o := range offences(name, src) {
			t.Error(o)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatalf("no Go file found below %s", root)
	}
}

// isForeign reports whether the go command would not look for the module's packages in dir.
func isForeign(dir string) bool {
	if dir == "." {
		return false
	}
	base := path.Base(dir)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(dir), "go.mod"))
	return err == nil
}

// offences returns a sentence for each rule that the file name, a slashed path in the module, breaks.
func offences(name string, src []byte) []string {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return []string{err.Error()}
	}
	isTest := strings.HasSuffix(name, "_test.go")
	var found []string
	if n := bytes.Count(src, []byte("\n")); n > maxLines && !isTest && !ast.IsGenerated(file) {
		found = append(found, fmt.Sprintf("%s: %d lines are more than %d: split it by idea", name, n, maxLines))
	}
	if slices.Contains(emptyNames, strings.TrimSuffix(file.Name.Name, "_test")) {
		found = append(found, fmt.Sprintf("%s: package name %q says nothing: name what is inside", name, file.Name.Name))
	}
	for _, d := range file.Decls {
		// In a WebAssembly reactor nothing else runs before the first call.
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" && !strings.HasPrefix(name, "examples/wasm-") {
			found = append(found, fmt.Sprintf("%s: func init: let the caller say what it needs", fset.Position(f.Pos())))
		}
	}
	if !isTest && !mayPrint(name, file) {
		found = append(found, prints(fset, file)...)
	}
	return found
}

// mayPrint reports whether a file is part of a program's face, or of what guests are made with, whose
// process is theirs. The renderer below the command line writes to what its caller gives it, like any
// other package.
func mayPrint(name string, file *ast.File) bool {
	return file.Name.Name == "main" || strings.HasPrefix(name, "guest/") ||
		strings.HasPrefix(name, "internal/cli/") && !strings.HasPrefix(name, "internal/cli/render/")
}

// prints finds what writes to the standard streams behind the caller's back, or ends the process.
func prints(fset *token.FileSet, file *ast.File) []string {
	names := map[string]string{} // import path by the name that the file has for it
	for _, spec := range file.Imports {
		p := strings.Trim(spec.Path.Value, "`\"")
		names[path.Base(p)] = p
		if spec.Name != nil {
			names[spec.Name.Name] = p
		}
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch p := names[x.Name]; {
		case p == "fmt" && slices.Contains([]string{"Print", "Printf", "Println"}, sel.Sel.Name),
			p == "log",
			p == "os" && sel.Sel.Name == "Exit":
			found = append(found, fmt.Sprintf("%s: %s.%s: only programs and internal/cli print and exit; return an error, or take an io.Writer or slog.Logger",
				fset.Position(sel.Pos()), p, sel.Sel.Name))
		}
		return true
	})
	return found
}

func TestOffences(t *testing.T) {
	long := "package long\n" + strings.Repeat("\n", maxLines)
	tests := []struct {
		name, file, src string
		want            string // part of the one offence; "" for none
	}{
		{"fine", "a/a.go", "package a\nimport (\"fmt\"; \"os\")\nvar s = fmt.Sprint(os.Args)", ""},
		{"print", "a/a.go", "package a\nimport \"fmt\"\nfunc f() { fmt.Println() }", "a/a.go:3:12: fmt.Println"},
		{"print by another name", "a/a.go", "package a\nimport f \"fmt\"\nvar p = f.Printf", "fmt.Printf"},
		{"exit", "a/a.go", "package a\nimport \"os\"\nfunc f() { os.Exit(1) }", "os.Exit"},
		{"log", "a/a.go", "package a\nimport \"log\"\nvar l log.Logger", "log.Logger"},
		{"slog", "a/a.go", "package a\nimport \"log/slog\"\nvar l slog.Logger", ""},
		{"field called log", "a/a.go", "package a\nfunc f(log struct{ Print func() }) { log.Print() }", ""},
		{"program", "cmd/a/main.go", "package main\nimport \"os\"\nfunc main() { os.Exit(0) }", ""},
		{"cli", "internal/cli/a.go", "package cli\nimport \"fmt\"\nvar p = fmt.Println", ""},
		{"render", "internal/cli/render/a.go", "package render\nimport \"fmt\"\nvar p = fmt.Println", "fmt.Println"},
		{"test", "a/a_test.go", "package a_test\nimport \"fmt\"\nvar p = fmt.Println", ""},
		{"init", "a/a.go", "package a\nfunc init() {}", "func init"},
		{"method called init", "a/a.go", "package a\ntype T int\nfunc (T) init() {}", ""},
		{"empty name", "a/common/a.go", "package common", `"common" says nothing`},
		{"long", "a/a.go", long, "801 lines"},
		{"long test", "a/a_test.go", long, ""},
		{"long and generated", "a/a.go", "// Code generated by x. DO NOT EDIT.\n" + long, ""},
		{"no Go", "a/a.go", "package", "expected 'IDENT'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := offences(tt.file, []byte(tt.src))
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("offences = %q, want none", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("offences = %q, want one with %q", got, tt.want)
			}
		})
	}
}
