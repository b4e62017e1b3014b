package preflight_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/preflight"
)

func TestConfiguration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		content  string // empty is no file
		required bool
		want     []finding
		settings bool
	}{
		{"good", `{"no_sandbox": true}`, true, []finding{{name: "configuration"}}, true},
		{"each problem", `{"nexos": "a", "machine_pool_size": -1}`, true, []finding{
			{"configuration", "nexos", false}, {"configuration", "machine_pool_size", false},
		}, false},
		{"no JSON", `no_sandbox: true`, false, []finding{{"configuration", "not JSON", false}}, false},
		{"missing", "", true, []finding{{"configuration", "--init", false}}, true},
		{"missing default", "", false, []finding{{"configuration", "--init", true}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "config.json")
			if tt.content != "" {
				write(t, file, tt.content)
			}
			g, settings := preflight.Configuration(file, tt.required)
			if len(g.Items) != len(tt.want) {
				t.Fatalf("items = %+v, want %d", g.Items, len(tt.want))
			}
			for i, want := range tt.want {
				one := g
				one.Items = g.Items[i : i+1]
				want.check(t, one)
			}
			if (settings != nil) != tt.settings {
				t.Errorf("settings = %v, want some: %t", settings, tt.settings)
			}
		})
	}
}

func TestConfigurationIsFolder(t *testing.T) {
	t.Parallel()
	g, settings := preflight.Configuration(t.TempDir(), true)
	finding{"configuration", "read the configuration", false}.check(t, g)
	if settings != nil {
		t.Errorf("settings = %v of a folder, want none", settings)
	}
}

func TestWriteDefault(t *testing.T) {
	t.Parallel()
	for _, noSandbox := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "config.json")
		if err := preflight.WriteDefault(file, noSandbox); err != nil {
			t.Fatal(err)
		}
		got, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		want := config.Default()
		want.NoSandbox = noSandbox
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("WriteDefault(%t) wrote %+v, want %+v", noSandbox, *got, want)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("mode = %v, want that only the owner can read it", info.Mode())
		}
	}
}

func TestWriteDefaultNeverOverwrites(t *testing.T) {
	t.Parallel()
	const mine = "{}"
	file := write(t, filepath.Join(t.TempDir(), "config.json"), mine)
	if err := preflight.WriteDefault(file, true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v, want fs.ErrExist", err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != mine {
		t.Errorf("the file holds %q, %v; want what it held", got, err)
	}
}

func TestWriteDefaultWithoutFolder(t *testing.T) {
	t.Parallel()
	err := preflight.WriteDefault(filepath.Join(t.TempDir(), "absent", "config.json"), true)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "absent") {
		t.Errorf("error = %v, want one that names the folder", err)
	}
}
