package jsbundle_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/jsbundle"
)

func build(t *testing.T, file string) *jsbundle.Script {
	t.Helper()
	s, err := jsbundle.Build(filepath.Join("testdata", filepath.FromSlash(file)))
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	return s
}

func TestHandles(t *testing.T) {
	for name, want := range map[string]bool{
		"fn.js": true, "dir/FN.MJS": true, "fn.cjs": true, "fn.ts": true, "fn.mts": true,
		"fn.wasm": false, "fn": false, "js": false, "fn.tsx": false, "fn.json": false, "dir.js/fn": false,
	} {
		if got := jsbundle.Handles(name); got != want {
			t.Errorf("Handles(%q) = %v, want %v", name, got, want)
		}
	}
}

// A plain script is deployed as it is, also where modules are the rule.
func TestPlainScript(t *testing.T) {
	for _, file := range []string{"plain/echo.js", "plainmodule/echo.js"} {
		content, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if s := build(t, file); !s.Plain || string(s.Code) != string(content) {
			t.Errorf("%s: plain = %v, the script is %q, want the file itself", file, s.Plain, s.Code)
		}
	}
}

// A module becomes one script, which has what is used of its imports and nothing else to load.
func TestModule(t *testing.T) {
	s := build(t, "good/module.js")
	code, _, _ := strings.Cut(string(s.Code), "//# sourceMappingURL")
	for _, want := range []string{"hello ${name}", "toUpperCase", `"nex"`, "<p>page</p>", "text + text", "greet, licensed to all"} {
		if !strings.Contains(code, want) {
			t.Errorf("the script lacks %q:\n%s", want, code)
		}
	}
	for _, not := range []string{"for others", "not needed", ": string", `require("`, "\nimport ", "\nexport "} {
		if strings.Contains(code, not) {
			t.Errorf("the script has %q:\n%s", not, code)
		}
	}
	if s.Plain || len(s.Warnings) != 0 {
		t.Errorf("plain = %v, warnings = %q", s.Plain, s.Warnings)
	}
}

// CommonJS is a module too, whatever the ending.
func TestCommonJS(t *testing.T) {
	for _, file := range []string{"good/common.cjs", "good/common.js"} {
		s := build(t, file)
		if s.Plain || !strings.Contains(string(s.Code), "return require_common();") {
			t.Errorf("%s is not wrapped:\n%s", file, s.Code)
		}
	}
}

// An arrow function finds what functions are given in the this of the module, which a module has not.
func TestThisOfModule(t *testing.T) {
	if s := build(t, "good/arrow.mjs"); !strings.Contains(string(s.Code), "globalThis.hostServices.kv") {
		t.Errorf("this is not globalThis:\n%s", s.Code)
	}
	if s := build(t, "typed/fn.ts"); !strings.Contains(string(s.Code), "this.size") {
		t.Errorf("the this of a method is gone:\n%s", s.Code)
	}
}

// The source map leads back to the files, by names that say nothing of this machine.
func TestSourceMap(t *testing.T) {
	s := build(t, "good/module.js")
	found := regexp.MustCompile(`(?m)^//# sourceMappingURL=data:application/json;base64,(\S+)\n\z`).FindSubmatch(s.Code)
	if found == nil {
		t.Fatalf("the script does not end with a source map:\n%s", s.Code)
	}
	var sourceMap struct {
		Version                 int
		Sources, SourcesContent []string
	}
	plain, err := base64.StdEncoding.DecodeString(string(found[1]))
	if err == nil {
		err = json.Unmarshal(plain, &sourceMap)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"module.js", "lib/twice.ts", "node_modules/greet/lib/nex.js"} {
		if !slices.Contains(sourceMap.Sources, want) {
			t.Errorf("the sources are %q, want %s", sourceMap.Sources, want)
		}
	}
	if i := slices.Index(sourceMap.Sources, "lib/twice.ts"); !strings.Contains(sourceMap.SourcesContent[i], "text: string") {
		t.Errorf("the content of lib/twice.ts is %q", sourceMap.SourcesContent[i])
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(s.Code)+string(plain), here) {
		t.Errorf("the script names the folder %s", here)
	}
}

// What comes out depends on the files, not on where they lie or who builds.
func TestSameFilesSameScript(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/good")); err != nil {
		t.Fatal(err)
	}
	before := list(t, dir)
	elsewhere, err := jsbundle.Build(filepath.Join(dir, "module.js"))
	if err != nil {
		t.Fatal(err)
	}
	if here := build(t, "good/module.js"); string(here.Code) != string(elsewhere.Code) {
		t.Errorf("the script differs when the files lie elsewhere:\n%s\n%s", here.Code, elsewhere.Code)
	}
	if after := list(t, dir); !slices.Equal(before, after) {
		t.Errorf("the files are %q, before %q", after, before)
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWarning(t *testing.T) {
	s := build(t, "good/warned.js")
	want := filepath.Join("testdata", "good", "warned.js") + ":1:"
	if len(s.Warnings) != 1 || !strings.HasPrefix(s.Warnings[0], want) {
		t.Errorf("the warnings are %q, want one of %s", s.Warnings, want)
	}
}

// import.meta is there and empty, which is told in words about functions.
func TestImportMeta(t *testing.T) {
	s := build(t, "good/meta.mjs")
	want := filepath.Join("testdata", "good", "meta.mjs") + ":1:22: import.meta is empty in a function"
	if len(s.Warnings) != 1 || !strings.HasPrefix(s.Warnings[0], want) || strings.Contains(s.Warnings[0], "iife") {
		t.Errorf("the warnings are %q, want one of %s", s.Warnings, want)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		file  string
		where string // line and column, if they are known
		says  []string
	}{
		{"syntax.ts", ":2:19: ", []string{"Unexpected"}},
		{"nodefault.mjs", " ", []string{"no default export", "export default (subject, payload)"}},
		{"script.ts", " ", []string{"no default export", "export default (subject, payload)"}},
		{"lost.js", "", []string{"twice", "No matching export"}},
		{"lostrequire.js", " ", []string{"no default export"}},
		{"deep.js", "", []string{"helper.mjs:2:16: ", `"node:fs" is part of Node.js, which functions do not run in`}},
		{"nodefs.cjs", ":1:20: ", []string{`"fs/promises" is part of Node.js`}},
		{"package.js", ":1:17: ", []string{`no package "@left/pad/all"`, "npm install @left/pad "}},
		{"file.js", ":1:17: ", []string{`no file "./pad"`}},
		{"locked.js", ":1:20: ", []string{`"locked/inner" cannot be imported`, "not exported"}},
		{"style.js", ":1:8: ", []string{".css", "JSON or text"}},
		{"icon.js", ":1:18: ", []string{".png", "JSON or text"}},
		{"await.mjs", ":1:16: ", []string{"cannot await outside"}},
		{"missingname.js", ":1:17: ", []string{"thrice"}},
		{"url.js", ":2:15: ", []string{`"https://example.com/x.js" is on another machine`, "download it, or use a package"}},
		{"urllater.mjs", ":1:29: ", []string{`"//example.com/x.js" is on another machine`}},
		{"nothing.js", "", []string{"no such file"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			s, err := jsbundle.Build(filepath.Join("testdata", "bad", tt.file))
			if err == nil {
				t.Fatalf("Build succeeds:\n%s", s.Code)
			}
			text := err.Error()
			if tt.where != "" && !strings.HasPrefix(text+" ", filepath.Join("testdata", "bad", tt.file)+tt.where) {
				t.Errorf("the error is %q, want it to begin with the file and %q", text, tt.where)
			}
			for _, want := range tt.says {
				if !strings.Contains(text+" ", want) {
					t.Errorf("the error is %q, want %q in it", text, want)
				}
			}
			if strings.Contains(text, "\n") {
				t.Errorf("the error %q is not one line", text)
			}
		})
	}
}
