package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/alecthomas/kong"

	"github.com/nex-engine/nex/internal/cli"
)

func model(t *testing.T) *kong.Application {
	t.Helper()
	m, err := cli.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// golden compares with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: make it with go test -update", err)
	}
	if got != string(want) {
		t.Errorf("%s differs: write it anew with go test -update if this is right:\n%s", path, got)
	}
}

func TestHelp(t *testing.T) {
	for file, lines := range map[string][]string{
		"help.txt":      {"", "--help", "-h", "help"},
		"help-stop.txt": {"stop --help", "stop -h", "help stop", "stop one --help", "--help stop"},
		"help-node.txt": {"node --help", "help node"},
	} {
		for _, line := range lines {
			t.Run("nex "+line, func(t *testing.T) {
				got := run(t, strings.Fields(line)...)
				if got.code != 0 || got.err != "" {
					t.Errorf("status %d, on standard error %q", got.code, got.err)
				}
				golden(t, file, got.out)
			})
		}
	}
}

// Asking for help must not change what the next command line shows.
func TestHelpOfEveryCommand(t *testing.T) {
	for _, n := range model(t).Leaves(false) {
		t.Run(n.Path(), func(t *testing.T) {
			got := run(t, append(strings.Fields(n.Path()), "--help")...)
			for _, want := range []string{"Usage: nex " + n.Path(), n.Help[:10], "\nGlobal flags:\n", "see nex --help"} {
				if !strings.Contains(got.out, want) {
					t.Errorf("%q is missing in\n%s", want, got.out)
				}
			}
			for line := range strings.Lines(got.out) {
				if len(line) > 81 && !strings.HasPrefix(line, "    ") { // examples are longer
					t.Errorf("too wide for a terminal: %q", line)
				}
			}
		})
	}
}

// Every command, argument and flag says what it is in a sentence.
func TestHelpTextsAreSentences(t *testing.T) {
	checked := 0
	check := func(what, help string) {
		checked++
		if help == "" || !unicode.IsUpper([]rune(help)[0]) && !strings.HasPrefix(help, "sha256") || !strings.HasSuffix(help, ".") || strings.Contains(help, "  ") {
			t.Errorf("%s: %q is no sentence", what, help)
		}
	}
	_ = kong.Visit(model(t), func(v kong.Visitable, next kong.Next) error {
		switch v := v.(type) {
		case *kong.Node:
			check(v.FullPath(), v.Help)
			for _, a := range v.Positional {
				check(v.FullPath()+" "+a.Summary(), a.Help)
			}
		case *kong.Flag:
			check("--"+v.Name, cli.FlagHelp(v.Value))
		}
		return next(nil)
	})
	if checked < 50 {
		t.Errorf("only %d texts were found", checked)
	}
}

// The values that a flag can have are in its help.
func TestHelpNamesTheValues(t *testing.T) {
	word := regexp.MustCompile(`[\w-]+`)
	checked := 0
	check := func(v *kong.Value) {
		if v.Enum == "" {
			return
		}
		checked++
		said := word.FindAllString(v.Help, -1)
		for _, value := range v.EnumSlice() {
			if value != "" && !strings.Contains(" "+strings.Join(said, " ")+" ", " "+value+" ") {
				t.Errorf("the help of %s does not name %s: %s", v.Name, value, v.Help)
			}
		}
	}
	_ = kong.Visit(model(t), func(v kong.Visitable, next kong.Next) error {
		switch v := v.(type) {
		case *kong.Flag:
			check(v.Value)
		case *kong.Node:
			for _, a := range v.Positional {
				check(a)
			}
		}
		return next(nil)
	})
	if checked < 5 {
		t.Errorf("only %d flags with few values were found", checked)
	}
}

func TestFlagHelp(t *testing.T) {
	tests := []struct {
		name  string
		value kong.Value
		want  string
	}{
		{"plain", kong.Value{Help: "What it is."}, "What it is."},
		{"default", kong.Value{Help: "What it is.", Default: "x"}, "What it is (default: x)."},
		{"variable", kong.Value{Help: "What it is.", Tag: &kong.Tag{Envs: []string{"NEX_X"}}}, "What it is ($NEX_X)."},
		{"both", kong.Value{Help: "What it is.", Default: "x", Tag: &kong.Tag{Envs: []string{"NEX_X", "X"}}}, "What it is (default: x, $NEX_X, $X)."},
		{"default in the text", kong.Value{Help: "What it is (5s).", OrigHelp: "What it is (${default}).", Default: "5s", Tag: &kong.Tag{Envs: []string{"X"}}}, "What it is (5s, $X)."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.value.Tag == nil {
				tt.value.Tag = &kong.Tag{}
			}
			if got := cli.FlagHelp(&tt.value); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
