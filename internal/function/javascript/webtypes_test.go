//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	v8 "github.com/tommie/v8go"
)

// typesFile describes to TypeScript what a function sees.
const typesFile = "../../../guest/javascript/nex.d.ts"

// types is what the file declares: the globals with the name of each one's interface, if it has one,
// and the members of the interfaces with those of what they extend.
type types struct {
	globals map[string]string
	members map[string][]string
}

var (
	globalLine    = regexp.MustCompile(`^declare (?:var|function) (\w+)(?:: (\w+);)?`)
	interfaceLine = regexp.MustCompile(`^interface (\w+)(?:<[^{]*>)?(?: extends (\w+))? \{`)
	memberLine    = regexp.MustCompile(`^  (?:readonly )?(\w+)\??[(:<]`)
)

func readTypes(t *testing.T) types {
	t.Helper()
	text, err := os.ReadFile(typesFile)
	if err != nil {
		t.Fatal(err)
	}
	d := types{globals: map[string]string{}, members: map[string][]string{}}
	name := ""
	for line := range strings.Lines(string(text)) {
		if m := globalLine.FindStringSubmatch(line); m != nil {
			d.globals[m[1]] = m[2]
		} else if m := interfaceLine.FindStringSubmatch(line); m != nil {
			name = m[1]
			d.members[name] = slices.Clone(d.members[m[2]])
		} else if m := memberLine.FindStringSubmatch(line); m != nil && name != "" {
			d.members[name] = append(d.members[name], m[1])
		} else if line == "}\n" {
			name = ""
		}
	}
	if len(d.globals) == 0 || len(d.members) == 0 {
		t.Fatalf("%s declares nothing", typesFile)
	}
	return d
}

// languageGlobals are the globals of V8 without the runtime.
func languageGlobals(t *testing.T) []string {
	t.Helper()
	iso := v8.NewIsolate()
	defer iso.Dispose()
	ctx := v8.NewContext(iso)
	defer ctx.Close()
	value, err := ctx.RunScript("JSON.stringify(Reflect.ownKeys(globalThis).filter((k) => typeof k === 'string'))", "globals.js")
	if err != nil {
		t.Fatal(err)
	}
	return names(t, value.String())
}

func names(t *testing.T, text string) []string {
	t.Helper()
	var list []string
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%q is not a list of names: %v", text, err)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// The types and the runtime must not drift apart.
func TestTypesDeclareGlobals(t *testing.T) {
	d := readTypes(t)
	language := languageGlobals(t)
	// V8 has a console of its own, which prints nothing.
	language = slices.DeleteFunc(language, func(n string) bool { return n == "console" })
	var got []string
	for _, n := range names(t, startWeb(t, noHost).eval(t, `return Reflect.ownKeys(globalThis).filter((k) => typeof k === 'string')`)) {
		if !slices.Contains(language, n) {
			got = append(got, n)
		}
	}
	var want []string
	for n := range d.globals {
		want = append(want, n)
	}
	slices.Sort(want)
	for _, n := range got {
		if !slices.Contains(want, n) {
			t.Errorf("the runtime has the global %s, which %s does not declare", n, typesFile)
		}
	}
	for _, n := range want {
		if !slices.Contains(got, n) {
			t.Errorf("%s declares the global %s, which the runtime does not have", typesFile, n)
		}
	}
}

func TestGlobalsAreNotEnumerable(t *testing.T) {
	got := startWeb(t, noHost).eval(t, `return Object.entries(Object.getOwnPropertyDescriptors(globalThis)).filter(([n, d]) =>
		!['Infinity', 'NaN', 'undefined'].includes(n) && (d.enumerable || !d.writable || !d.configurable)).map(([n]) => n)`)
	if got != "[]" {
		t.Errorf("these globals are enumerable, or cannot be replaced: %s", got)
	}
}

func TestTypesDeclareMembers(t *testing.T) {
	d := readTypes(t)
	w := startWeb(t, noHost)
	for global, typ := range d.globals {
		// Constants are declared with the constructor, though instances have them too.
		class := strings.TrimSuffix(typ, "Constructor")
		switch {
		case typ == "" || d.members[typ] == nil:
		case class == typ:
			wantMembers(t, w, d, typ, global)
		default:
			statics := slices.DeleteFunc(slices.Clone(d.members[typ]), func(n string) bool { return n == "new" || n == "prototype" })
			d.members[typ] = statics
			wantMembers(t, w, d, typ, global)
			if class != "HostServiceError" { // its code is a property of the object itself
				wantMembers(t, w, d, class, global+".prototype")
			}
		}
	}
	for property, typ := range map[string]string{"kv": "NexKV", "objectStore": "NexObjectStore", "messaging": "NexMessaging", "http": "NexHTTP"} {
		wantMembers(t, w, d, typ, "hostServices."+property)
		wantMembers(t, w, d, typ, "hostServices.promises."+property)
	}
}

// wantMembers checks that what an expression stands for has the members that its interface declares.
// Members that it inherits count if they are declared.
func wantMembers(t *testing.T, w *web, d types, typ, expression string) {
	t.Helper()
	want := slices.Clone(d.members[typ])
	slices.Sort(want)
	want = slices.Compact(want)
	list, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := names(t, w.eval(t, `const o = `+expression+`; const hidden = ['constructor', 'length', 'name', 'prototype'];
		const own = Reflect.ownKeys(o).filter((k) => typeof k === 'string' && !(hidden.includes(k) && `+
		`!`+string(list)+`.includes(k)) && !(/^[A-Z_]+$/.test(k) && typeof o !== 'function'));
		return own.concat(`+string(list)+`.filter((k) => k in o))`))
	if !slices.Equal(got, want) {
		t.Errorf("%s has the members\n%v, but %s declares for %s\n%v", expression, got, typesFile, typ, want)
	}
}
