package natsforms_test

// This file is about what a form is: a folder with blocks of the document, in a network of its own.

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// form is one form of NATS: a namespace, and a folder with the blocks of the document that it is about.
type form struct {
	*place
	t   *testing.T
	dir string
}

// newForm prepares a form. It runs beside others, and ends with the test.
func newForm(t *testing.T) *form {
	t.Helper()
	if !nextest.Sandboxed() {
		t.Skip("forms of NATS need root, for networks of their own")
	}
	t.Parallel()
	return &form{place: newPlace(t), t: t, dir: t.TempDir()}
}

// write writes blocks of the document into the folder.
func (f *form) write(names ...string) {
	f.t.Helper()
	for _, name := range names {
		must(f.t, os.WriteFile(filepath.Join(f.dir, name), []byte(block(f.t, name)), 0o600))
	}
}

// path is that of a file in the folder.
func (f *form) path(name string) string { return filepath.Join(f.dir, name) }
