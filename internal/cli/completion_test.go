package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/cli"
)

func TestCandidates(t *testing.T) {
	tests := []struct {
		line string
		want string
	}{
		{"nex", ""},
		{"nex ", "completion devrun events lameduck logs node rootfs run stop up version"},
		{"nex l", "lameduck logs"},
		{"  nex  l", "lameduck logs"},
		{"/usr/bin/nex l", "lameduck logs"},
		{"nex x", ""},
		{"nex node ", "info ls preflight probe state up"},
		{"nex node p", "preflight probe"},
		{"nex node probe --t", "--tag --timeout --tlsca --tlscert --tlsfirst --tlskey --token --type"},
		{"nex node probe --sand", "--sandboxed"},
		{"nex node probe --no-s", "--no-sandboxed"},
		{"nex --names", "--namespace"},
		{"nex node --names", "--namespace"},
		{"nex node probe --type ", "native oci v8 wasm"},
		{"nex node probe --type v", "v8"},
		{"nex node probe --type=", "--type=native --type=oci --type=v8 --type=wasm"},
		{"nex node probe --type=v", "--type=v8"},
		{"nex node probe --min-sandbox ", "gvisor microvm none"},
		{"nex node probe --min_sandbox ", "gvisor microvm none"},
		{"nex run a b --min_sandbox=", "--min_sandbox=gvisor --min_sandbox=microvm --min_sandbox=none"},
		{"nex devrun a --eg", "--egress_allow --egress_deny"},
		{"nex --loglevel d", "debug"},
		{"nex --loglevel debug no", "node"},
		{"nex --loglevel=debug no", "node"},
		{"nex --server node no", "node"},
		{"nex -s node no", "node"},
		{"nex --logjson no", "node"},
		{"nex node probe --json --typ", "--type"},
		{"nex completion ", "bash fish zsh"},
		{"nex completion b", "bash"},
		{"nex completion bash ", ""},
		{"nex stop --json ", ""},
		{"nex devrun ", ""},
		{"nex devrun file ", ""},
		{"nex devrun file --des", "--description"},
		{"nex devrun 'my file' --ess", "--essential"},
		{"nex devrun file -- --ess", ""},
		{"nex run a b --type ", "native oci v8 wasm"},
		{"nex node state ", "ls repair rm"},
		{"nex node state repair --rem", "--remove-damaged"},
		{"nex run a b --restart ", "always never on-failure"},
		{"nex node info --server=x", ""},
		{"nex node info --nonsense=", ""},
		{"nex logs --level ", "debug error info warn"},
		{"nex logs -n 5 --le", "--level"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			got, err := cli.Candidates(tt.line)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", strings.Join(got, " "), tt.want)
			}
		})
	}
}

func TestSplitLine(t *testing.T) {
	tests := []struct {
		line string
		want []string
	}{
		{"", []string{""}},
		{"   ", []string{""}},
		{"a", []string{"a"}},
		{"a ", []string{"a", ""}},
		{" a\t b", []string{"a", "b"}},
		{`a 'b c' d`, []string{"a", "b c", "d"}},
		{`a "b 'c" d`, []string{"a", "b 'c", "d"}},
		{`a b\ c`, []string{"a", "b c"}},
		{`a "b \" c"`, []string{"a", `b " c`}},
		{`a '\' b`, []string{"a", `\`, "b"}},
		{`a 'b c`, []string{"a", "b c"}},
		{`a '' b`, []string{"a", "", "b"}},
		{`a b\`, []string{"a", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			if got := cli.SplitLine(tt.line); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The line comes from the shell, with whatever is in it.
func FuzzCandidates(f *testing.F) {
	f.Add("nex node probe --type=v")
	f.Add(`nex devrun 'a b' -- -s "`)
	f.Fuzz(func(t *testing.T, line string) {
		got, err := cli.Candidates(line)
		if err != nil {
			t.Fatal(err)
		}
		words := cli.SplitLine(line)
		for _, c := range got {
			if !strings.HasPrefix(c, words[len(words)-1]) {
				t.Errorf("%q cannot become %q", line, c)
			}
		}
	})
}

// A shell that asks by itself says where the cursor is.
func TestCompletionProtocol(t *testing.T) {
	tests := []struct{ name, line, point, want string }{
		{"to the end", "nex node p", "10", "preflight\nprobe\n"},
		{"without a point", "nex node p", "", "preflight\nprobe\n"},
		{"up to the cursor", "nex node p --json", "7", "node\n"},
		{"beyond the end", "nex no", "99", "node\n"},
		{"characters, not bytes", "nex é node", "7", "node\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("COMP_LINE", tt.line)
			t.Setenv("COMP_POINT", tt.point)
			if got, want := run(t, "nex", "p", "node"), (result{0, tt.want, ""}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// asNex makes this test program be nex, so that a shell can call it by the path in its script.
const asNex = "TEST_AS_NEX"

// script writes the completion of a shell into a file. It calls this test program by a name that
// needs quoting.
func script(t *testing.T, shell string) string {
	t.Helper()
	got := run(t, "completion", shell)
	if got.code != 0 || got.err != "" {
		t.Fatalf("got %+v", got)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.out, "'"+self+"'") {
		t.Fatalf("%s is not in the script:\n%s", self, got.out)
	}
	nex := filepath.Join(t.TempDir(), "it's my nex")
	if err := os.Symlink(self, nex); err != nil {
		t.Fatal(err)
	}
	quoted := "'" + strings.ReplaceAll(nex, "'", `'\''`) + "'"
	file := filepath.Join(t.TempDir(), "completion")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(got.out, "'"+self+"'", quoted)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// shells are ways to ask a shell, without a terminal, what it would offer: %[1]s is the file with
// the completion, %[2]s the line. Where files are to be offered they print FILES.
var shells = map[string]struct {
	args []string
	ask  string
}{
	"bash": {[]string{"--norc", "--noprofile", "-c"}, `
		source %[1]s || exit
		[[ $(complete -p nex) == "complete -o default -F _nex nex" ]] || exit 3
		COMP_LINE=%[2]s COMP_POINT=${#COMP_LINE} COMP_WORDBREAKS=%[3]s
		_nex
		if (( ${#COMPREPLY[@]} )); then printf '%%s\n' "${COMPREPLY[@]}"; else echo FILES; fi`},
	"zsh": {[]string{"-f", "-c"}, `
		compdef() { registered="$*" }
		compadd() { print -l -- "${(@P)argv[-1]}" }
		compset() { }
		_files() { print FILES }
		source %[1]s || exit
		[[ $registered == "_nex nex" ]] || exit 3
		line=%[2]s
		words=("${(@s: :)line}") CURRENT=$#words PREFIX=$words[-1]
		_nex`},
	"fish": {[]string{"--no-config", "-c"}, `
		source %[1]s; or exit
		function __fish_complete_path; echo FILES; end
		complete -C %[2]s`},
}

func TestShells(t *testing.T) {
	tests := []struct{ line, want string }{
		{"nex node p", "preflight probe"},
		{"nex node probe --type ", "native oci v8 wasm"},
		{"nex node probe --type=v", "--type=v8"},
		{"nex devrun fi", "FILES"},
	}
	for shell, s := range shells {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil && shell != "bash" {
				t.Skipf("needs %s", shell)
			}
			if err != nil {
				t.Fatal(err)
			}
			file := script(t, shell)
			for _, tt := range tests {
				ask := fmt.Sprintf(s.ask, quoteWord(file), quoteWord(tt.line), quoteWord(" \t\n"))
				if got := askShell(t, path, append(s.args, ask)...); got != tt.want {
					t.Errorf("%q: got %q, want %q", tt.line, got, tt.want)
				}
			}
		})
	}
}

// Where bash takes --type= for a word of its own, only what follows is offered.
func TestBashThatBreaksWordsAtEquals(t *testing.T) {
	s := shells["bash"]
	ask := fmt.Sprintf(s.ask, quoteWord(script(t, "bash")), quoteWord("nex node probe --type=v"), quoteWord(" \t\n=:"))
	if got, want := askShell(t, "bash", append(s.args, ask)...), "v8"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func quoteWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func askShell(t *testing.T, shell string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shell, args...)
	cmd.Env = append(os.Environ(), asNex+"=1", "HOME="+t.TempDir())
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || said.Len() > 0 {
		t.Fatalf("%s %q: %v\n%s", shell, args, err, said.Bytes())
	}
	return strings.Join(strings.Fields(string(out)), " ")
}
