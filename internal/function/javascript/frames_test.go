//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/function/javascript"
)

const mapStart = "//# sourceMappingURL=data:application/json;base64,"

func TestTranslate(t *testing.T) {
	const stack = "Error: x\n    at f (a.js:2:3)\n    at enter (nex:core.js:5:5)\n    at async a.js:1:1"
	const plain = "Error: x\n    at f (a.js:2:3)\n    at async a.js:1:1"
	encode := func(text string) string { return mapStart + base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, c := range []struct{ name, code, want string }{
		{"no map", "code", plain},
		{"a map", encode(`{"version":3,"sources":["b.ts"],"mappings":"AAAA;AACA"}`), "Error: x\n    at f (b.ts:2:1)\n    at async b.ts:1:1"},
		{"an empty map", encode(`{"version":3,"sources":[],"mappings":""}`), plain},
		{"another version", encode(`{"version":2,"sources":["b.ts"],"mappings":"AAAA"}`), plain},
		{"a source that is not there", encode(`{"version":3,"sources":["b.ts"],"mappings":"AEAA;AACA"}`), plain},
		{"no JSON", encode("no"), plain},
		{"no base64", mapStart + "!", plain},
		{"a file", "//# sourceMappingURL=a.js.map", plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := javascript.Translate("a.js", c.code, stack); got != c.want {
				t.Errorf("the stack =\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	if got := javascript.Translate("a.js", "", "Error: x\n    at enter (nex:core.js:5:5)"); got != "" {
		t.Errorf("a stack without frames of the user's = %q", got)
	}
}

// The map and the stack come from the function; whatever they hold, there is a stack of some kind.
func FuzzTranslate(f *testing.F) {
	bundle, err := os.ReadFile("testdata/bundle.js")
	if err != nil {
		f.Fatal(err)
	}
	_, encoded, _ := strings.Cut(string(bundle), mapStart)
	mapping, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(mapping), "Error: x\n    at f (a.js:30:11)")
	f.Add(`{"version":3,"sources":["b.ts"],"mappings":"AEAA;AACA"}`, "Error\n    at a.js:1:1")
	f.Add(`{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":null}]}`, "    at a.js:1:99999999999999999999")
	f.Fuzz(func(t *testing.T, mapping, stack string) {
		code := mapStart + base64.StdEncoding.EncodeToString([]byte(mapping))
		got := javascript.Translate("a.js", code, stack)
		if strings.Contains(stack, "\n    at x (a.js:1:1)") && got == "" {
			t.Error("the stack is gone")
		}
		if len(got) > 32<<10 {
			t.Errorf("the stack has %d bytes", len(got))
		}
	})
}
