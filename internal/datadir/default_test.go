package datadir

import (
	"path/filepath"
	"testing"
)

func TestDefaultFor(t *testing.T) {
	t.Parallel()
	abs := t.TempDir() // absolute on the system that runs the test
	tests := []struct {
		name, goos string
		env        map[string]string
		want       string
	}{
		{"environment first", "linux", map[string]string{"NEX_DATA_DIR": "d", "XDG_DATA_HOME": abs, "HOME": "h"}, "d"},
		{"environment on windows", "windows", map[string]string{"NEX_DATA_DIR": "d", "LocalAppData": "l"}, "d"},
		{"xdg", "linux", map[string]string{"XDG_DATA_HOME": abs, "HOME": "h"}, filepath.Join(abs, "nex")},
		{"xdg on macOS", "darwin", map[string]string{"XDG_DATA_HOME": abs, "HOME": "h"}, filepath.Join(abs, "nex")},
		{"relative xdg does not count", "linux", map[string]string{"XDG_DATA_HOME": "x", "HOME": "h"}, filepath.Join("h", ".local", "share", "nex")},
		{"linux", "linux", map[string]string{"HOME": "h"}, filepath.Join("h", ".local", "share", "nex")},
		{"macOS", "darwin", map[string]string{"HOME": "h"}, filepath.Join("h", "Library", "Application Support", "nex")},
		{"windows", "windows", map[string]string{"LocalAppData": "l", "HOME": "h"}, filepath.Join("l", "nex")},
		{"no home", "linux", nil, ""},
		{"no home on windows", "windows", map[string]string{"HOME": "h"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := defaultFor(tt.goos, func(k string) string { return tt.env[k] })
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("default = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
