package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// writeFiles writes files into a new directory, makes it the working directory, and keeps keys in
// another one.
func writeFiles(t *testing.T, files map[string]string) (keys string) {
	t.Helper()
	dir, keys := t.TempDir(), filepath.Join(t.TempDir(), "keys")
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("NEX_HOME", keys)
	t.Setenv("NEX_DATA_DIR", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // no NATS context
	return keys
}

// What cannot become a function is refused with the place, before anything is made or asked.
func TestDevrunRefusesFunction(t *testing.T) {
	keys := writeFiles(t, map[string]string{
		"syntax.ts":    "export default (subject: string) => {\n  return subject +;\n};\n",
		"node.mjs":     "import fs from \"node:fs\";\nexport default () => fs;\n",
		"nodefault.ts": "export const answer = 1;\n",
		"plain.js":     "(subject, payload) => payload(;\n",
		"good.js":      "(subject, payload) => payload\n",
		"empty.ts":     "",
	})
	for _, tt := range []struct {
		line string
		code int
		says string
	}{
		{"devrun syntax.ts --trigger_subject=x", 1, "syntax.ts:2:19: "},
		{"devrun node.mjs --trigger_subject=x", 1, `node.mjs:1:16: "node:fs" is part of Node.js`},
		{"devrun nodefault.ts --trigger_subject=x", 1, "nodefault.ts has no default export"},
		{"devrun plain.js --trigger_subject=x", 1, "plain.js:1:31: "},
		{"devrun empty.ts --trigger_subject=x", 1, "empty.ts is empty"},
		{"devrun good.js", 2, "a function without a trigger can never be called"},
		{"devrun good.js --trigger_subject=$JS.API.INFO", 1, `no node takes the trigger subject "$JS.API.INFO", because it overlaps with $JS.>`},
		{"devrun good.js --trigger_subject=a..b", 1, `trigger subject "a..b": it has an empty token`},
	} {
		got := run(t, append(strings.Fields(tt.line), "--server=nats://127.0.0.1:1")...)
		first, rest, _ := strings.Cut(got.err, "\n")
		if got.code != tt.code || got.out != "" || !strings.HasPrefix(first, "nex: error: ") || !strings.Contains(first, tt.says) {
			t.Errorf("nex %s: got %+v, want status %d and %q", tt.line, got, tt.code, tt.says)
		}
		if rest != "" && !strings.HasPrefix(rest, "nex: hint: ") {
			t.Errorf("nex %s: it also says %q", tt.line, rest)
		}
	}
	if _, err := os.Stat(keys); !os.IsNotExist(err) {
		t.Errorf("keys were made: %v", err)
	}
}

// Modules and TypeScript are bundled, which is said with the size; a plain script is not.
func TestDevrunBundles(t *testing.T) {
	writeFiles(t, map[string]string{
		"fn.ts":    "import { twice } from \"./twice\";\nexport default (subject: string, payload: string) => twice(payload);\n",
		"twice.ts": "export const twice = (text: string): string => text + text;\n",
		"warn.mjs": "export default (subject) => subject === -0;\n",
		"plain.js": "(subject, payload) => payload\n",
	})
	for file, says := range map[string]string{
		"fn.ts":    `(?m)^Bundled fn\.ts into a script of \d\.\d KiB$`,
		"warn.mjs": `(?m)^warn\.mjs:1:\d+: .*-0`,
	} {
		got := run(t, "devrun", file, "--trigger_subject=x", "--server=nats://127.0.0.1:1")
		if got.code != 1 || !regexp.MustCompile(says).MatchString(got.err) || !strings.Contains(got.err, "no NATS server") {
			t.Errorf("%s: got %+v, want %s, and then no server", file, got, says)
		}
	}
	if got := run(t, "devrun", "plain.js", "--trigger_subject=x", "--server=nats://127.0.0.1:1"); strings.Contains(got.err, "Bundled") {
		t.Errorf("a plain script: got %+v", got)
	}
}
