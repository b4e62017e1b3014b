package jsbundle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/jsbundle"
)

const (
	// umd is a library that works in scripts and as a CommonJS module, by its second line.
	umd = "(function (root, make) {\n" +
		"  if (typeof module === \"object\" && module.exports) { module.exports = make(); } else { root.L = make(); }\n" +
		"})(this, function () { return { v: 1 }; });\n"
	// minified is the same as bundlers write it.
	minified = "!function(e,t){\"object\"==typeof exports&&\"undefined\"!=typeof module?module.exports=t():e.L=t()}(this,(function(){return{v:1}}));\n"
)

func buildText(t *testing.T, name, text string) (*jsbundle.Script, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return jsbundle.Build(path)
}

// A script that only looks like CommonJS stays as it is.
func TestScriptsThatAreNotCommonJS(t *testing.T) {
	for name, text := range map[string]string{
		"eval":                           "(s, p) => eval(\"1+1\")",
		"eval in a call":                 "const wrap = (f) => f;\nwrap((s, p) => eval(\"1+1\"));",
		"a library before it":            umd + "(s, p) => L.v;\n",
		"a minified library before it":   minified + "(s, p) => L.v;\n",
		"a library and a name":           umd + "const handle = (s, p) => L.v;\nhandle;\n",
		"a library and a call":           umd + "const make = () => (s, p) => L.v;\nmake()\n",
		"what bundlers bring along":      "var c = (m) => copy({}, \"__esModule\", m);\n(s, p) => eval(\"1\");\n",
		"exports as a parameter":         "const define = (f) => f(0, {});\ndefine((require, exports) => eval(\"1\"));\ndefine(function (require, exports) { exports.x = eval(\"1\"); });\n(s, p) => p;\n",
		"a call with words in a text":    "String(\"call, exports)\");\n(s, p) => eval(\"1\");\n",
		"a name that begins with else":   "const elsewhere = (s, p) => p;\nif (typeof module === \"object\") module.exports = 1;\nelsewhere;\n",
		"a condition":                    "const f = (s, p) => p;\nif (typeof module !== \"undefined\") {\n  module.exports = f;\n}\nf\n",
		"a condition with else":          "const f = (s, p) => p;\nif (typeof module === \"undefined\")\n  globalThis.f = f;\nelse\n  module.exports = f;\nf\n",
		"exports in an arrow function":   "(s, p) => { if (typeof exports === \"object\") exports.x = 1; return p; }\n",
		"exports in a function":          "(async function (s, p) { if (typeof exports === \"object\") exports.x = 1; return p; })\n",
		"exports in a text":              "const text = `\nmodule.exports = 1;\n${eval(\"1\")}\nexports.x = 2;\n`;\n(s, p) => text\n",
		"exports in a comment":           "/*!\nmodule.exports = 1;\n*/\n(s, p) => eval(\"1\")\n",
		"exports of its own":             "const exports = {};\nexports.handler = (s, p) => p;\nexports.handler;\n",
		"exports of something else":      "eval(\"1\");\nconst instance = { exports: { run: (s, p) => p } };\ninstance.exports.run;\n",
		"a library after the function":   "const f = (s, p) => L.v;\n" + umd + "f;",
		"a module of a name in a branch": "const f = (s, p) => p;\ntypeof module === \"object\" && (module.exports = f);\nf;\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := buildText(t, "fn.js", text)
			if err != nil || !s.Plain || string(s.Code) != text {
				t.Errorf("Build = %+v, %v, want the script as it is", s, err)
			}
		})
	}
}

// What exports is a CommonJS module, however it writes that.
func TestCommonJSForms(t *testing.T) {
	for name, text := range map[string]string{
		"set":                       "module.exports = (s, p) => eval(\"1+1\");\n",
		"set in between":            "module.exports = f;\nfunction f(s, p) { return p; }\n",
		"set by a computed name":    "module[\"exports\"] = (s, p) => p;\n",
		"set with a name":           "const handle = module.exports = (s, p) => p;\n",
		"set twice":                 "exports = module.exports = (s, p) => p;\n",
		"set with members":          "module.exports = (s, p) => p;\nmodule.exports.version = 1;\n",
		"set to an object first":    "module.exports = {};\nmodule.exports = (s, p) => p;\n",
		"handed to a function":      "Object.assign(module, { exports: (s, p) => p });\nObject.assign(module.exports, { version: 1 });\n",
		"handed to a function late": "function copy(from, to) { to.default = from; }\nObject.defineProperty(exports, \"__esModule\", { value: true });\n(0, copy)((s, p) => p, exports);\ncopy(\"(\", exports);\nexports.default = (s, p) => p;\n",
		"a library alone":           umd,
		"a minified library alone":  minified,
		"set in a call":             "(() => {\n  const f = (s, p) => p;\n  module.exports = f;\n})();\n",
		"set if there is something": "const f = (s, p) => p;\nif (typeof module !== \"undefined\") module.exports = f;\n",
		"compiled from an ES module": "\"use strict\";\nObject.defineProperty(exports, \"__esModule\", { value: true });\n" +
			"exports.answer = void 0;\nexports.answer = 1;\nexports.default = (s, p) => p;\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := buildText(t, "fn.js", text)
			if err != nil || s.Plain || !strings.Contains(string(s.Code), "return require_fn();") {
				t.Errorf("Build = %+v, %v, want a wrapped module", s, err)
			}
		})
	}
	// The ending says so, whatever is in the file.
	if s, err := buildText(t, "fn.cjs", umd+"(s, p) => L.v;\n"); err != nil || s.Plain {
		t.Errorf("Build of a .cjs file = %+v, %v, want a module", s, err)
	}
}

// A module that exports no function is refused with what to write.
func TestCommonJSWithoutFunction(t *testing.T) {
	for text, says := range map[string]string{
		"exports.default = (s, p) => p;\n":        "sets exports.default, but module.exports itself is the function to call: write module.exports = (subject, payload) => …",
		"exports.handler = (s, p) => p;\n":        "sets exports.handler, but ",
		"module.exports.handler = (s, p) => p;\n": "sets exports.handler, but ",
		"exports[\"handler\"] = (s, p) => p;\n":   "sets exports.handler, but ",
		"module.exports = { handler: 1 };\n":      "sets module.exports to an object, but ",
		"Object.defineProperty(exports, \"__esModule\", { value: true });\nexports.handler = (s, p) => p;\n": "sets exports.handler, but ",
	} {
		s, err := buildText(t, "fn.js", text)
		if err == nil || !strings.Contains(err.Error(), "fn.js "+says) {
			t.Errorf("Build of %q = %+v, %v, want %q", text, s, err, says)
		}
	}
	if s, err := buildText(t, "fn.cjs", "(s, p) => p;\n"); err == nil || !strings.Contains(err.Error(), "fn.cjs exports nothing: write module.exports = ") {
		t.Errorf("Build of a .cjs file without exports = %+v, %v", s, err)
	}
}
