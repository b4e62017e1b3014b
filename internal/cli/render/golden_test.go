package render_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/cli/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain fixes the time zone, since times are printed as the user's clock shows them.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// printer is a call of one of the package's functions.
type printer func(w io.Writer, s render.Style) error

func output(t *testing.T, print printer, s render.Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := print(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
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
		t.Errorf("%s differs: look at it, and write it anew with go test -update if it is right\ngot\n%s\nwant\n%s", path, got, want)
	}
}

func TestGolden(t *testing.T) {
	for name, print := range printers() {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", output(t, print, render.Style{}))
			golden(t, name+".color.txt", output(t, print, render.Style{Color: true}))
		})
	}
}

// Colour must only repeat what the text says.
func TestColorChangesNoText(t *testing.T) {
	for name, print := range printers() {
		t.Run(name, func(t *testing.T) {
			plain, colored := output(t, print, render.Style{}), output(t, print, render.Style{Color: true})
			if got := withoutColor(colored); got != plain {
				t.Errorf("in colour\n%s\nwithout\n%s", got, plain)
			}
		})
	}
}
