package nex_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// source is the package's own source, without its tests.
func source(t testing.TB) []*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// constant is a string constant and the comment behind it.
type constant struct{ name, value, comment string }

// constantsInOrder are the string constants of a type, as the source has them.
func constantsInOrder(t testing.TB, ofType string) []constant {
	t.Helper()
	var found []constant
	eachSpec(t, func(spec ast.Spec) {
		v, ok := spec.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return
		}
		if kind, ok := v.Type.(*ast.Ident); !ok || kind.Name != ofType {
			return
		}
		literal, ok := v.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("constant %s is no literal", v.Names[0])
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, constant{v.Names[0].Name, value, strings.TrimSpace(v.Comment.Text())})
	})
	if len(found) == 0 {
		t.Fatalf("no constants of type %s found", ofType)
	}
	return found
}

// constants are the values of the string constants of a type, by name.
func constants(t testing.TB, ofType string) map[string]string {
	t.Helper()
	values := make(map[string]string)
	for _, c := range constantsInOrder(t, ofType) {
		values[c.name] = c.value
	}
	return values
}

// wireTypes are the names of the exported struct types that have JSON names.
func wireTypes(t testing.TB) []string {
	t.Helper()
	var names []string
	eachSpec(t, func(spec ast.Spec) {
		s, ok := spec.(*ast.TypeSpec)
		if !ok || !s.Name.IsExported() {
			return
		}
		fields, ok := s.Type.(*ast.StructType)
		if !ok {
			return
		}
		for _, f := range fields.Fields.List {
			if f.Tag != nil && strings.Contains(f.Tag.Value, `json:"`) {
				names = append(names, s.Name.Name)
				return
			}
		}
	})
	return names
}

// eachSpec calls f with each declaration of a type, constant or variable.
func eachSpec(t testing.TB, f func(ast.Spec)) {
	t.Helper()
	for _, file := range source(t) {
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				for _, spec := range g.Specs {
					f(spec)
				}
			}
		}
	}
}
