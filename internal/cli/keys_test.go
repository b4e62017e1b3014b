package cli_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cli"
)

// loader loads a key, from the file if one is named.
type loader func(streams cli.Streams, file string, create bool) (string, error)

var loaders = []struct {
	what   string
	file   string // below NEX_HOME
	prefix string // of the public key
	load   loader
}{
	{"issuer account key", "issuer.nk", "A", cli.LoadIssuer},
	{"publisher xkey", "publisher.xk", "X", cli.LoadPublisher},
}

func TestKeysAreMadeOnceAndFoundAgain(t *testing.T) {
	for _, l := range loaders {
		t.Run(l.what, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "home")
			t.Setenv("NEX_HOME", home)
			path := filepath.Join(home, l.file)
			created, said := load(t, l.load, "")
			if want := "Created new " + l.what + ": " + path + "\n"; said != want {
				t.Errorf("said %q, want %q", said, want)
			}
			if !strings.HasPrefix(created, l.prefix) {
				t.Errorf("made %s, want one that begins with %s", created, l.prefix)
			}
			reused, said := load(t, l.load, "")
			if want := "Reusing existing " + l.what + ": " + path + "\n"; said != want {
				t.Errorf("said %q, want %q", said, want)
			}
			if named, _ := load(t, l.load, path); reused != created || named != created {
				t.Errorf("found %s, by its name %s, want %s", reused, named, created)
			}
		})
	}
}

func load(t *testing.T, load loader, file string) (key, said string) {
	t.Helper()
	var b bytes.Buffer
	key, err := load(cli.Streams{Err: &b}, file, true)
	if err != nil {
		t.Fatal(err)
	}
	return key, b.String()
}

// Without NEX_HOME the keys are in .nex of the home directory.
func TestKeysInTheHomeDirectory(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("NEX_HOME", "")
	load(t, cli.LoadIssuer, "")
	info, err := os.Stat(filepath.Join(home, ".nex", "issuer.nk"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), fs.FileMode(0o600); got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
}

// A command that needs the key of an earlier one makes none.
func TestMissingKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "issuer.nk")
	_, err := cli.LoadIssuer(cli.Streams{}, file, false)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "--issuer") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key was made: %v", err)
	}
}

// A key of another kind is not used, and not overwritten.
func TestWrongKey(t *testing.T) {
	for _, l := range loaders {
		t.Run(l.what, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), l.file)
			if err := os.WriteFile(file, []byte("SUAXXX"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, create := range []bool{true, false} {
				if _, err := l.load(cli.Streams{}, file, create); err == nil || !strings.Contains(err.Error(), file) {
					t.Errorf("with create %v: got %v", create, err)
				}
			}
			if b, err := os.ReadFile(file); err != nil || string(b) != "SUAXXX" {
				t.Errorf("the file is now %q, %v", b, err)
			}
		})
	}
}

func TestWorkloadName(t *testing.T) {
	long := strings.Repeat("a", nex.MaxNameLength+1)
	tests := []struct{ path, want string }{
		{"echoservice", "echoservice"},
		{"./dir.d/echoservice", "echoservice"},
		{"../echofunction.js", "echofunctionjs"},
		{"echofunction.wasm", "echofunctionwasm"},
		{"echoservice.exe", "echoservice"},
		{"my echo (1).js", "myecho1js"},
		{"with_under-dash", "with_under-dash"},
		{"größe.js", "grejs"},
		{"日本", ""},
		{long, long[:nex.MaxNameLength]},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			got := cli.WorkloadName(tt.path)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got != "" && nex.CheckName(got) != nil {
				t.Errorf("%q is no workload name", got)
			}
		})
	}
}

func TestParseEnvironment(t *testing.T) {
	tests := []struct {
		name  string
		pairs []string
		want  map[string]string
	}{
		{"none", nil, map[string]string{}},
		{"some", []string{"A=1", "B=two words"}, map[string]string{"A": "1", "B": "two words"}},
		{"empty value", []string{"A="}, map[string]string{"A": ""}},
		{"equals in the value", []string{"A=b=c"}, map[string]string{"A": "b=c"}},
		{"the last one counts", []string{"A=1", "A=2"}, map[string]string{"A": "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := cli.ParseEnvironment(tt.pairs)
			if err != nil || !maps.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestParseEnvironmentRefuses(t *testing.T) {
	for _, pair := range []string{"A", "=b", "", "="} {
		t.Run(pair, func(t *testing.T) {
			got, err := cli.ParseEnvironment([]string{"OK=1", pair})
			if err == nil || !strings.Contains(err.Error(), "write name=value") {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
