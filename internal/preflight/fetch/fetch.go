// Package fetch gets a file from a web server or from this machine, and puts it where it belongs once it has turned
// out to be what was expected.
//
// What is got has a digest that is known before. It is written beside its destination, under a name that begins with
// a dot, unpacked there if it is packed, looked at, and given its name in one step. So there is never a part of a
// file at the destination, and what fails leaves nothing. Nothing is unpacked that does not have its digest.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/nex-engine/nex/internal/unwind"
)

// DefaultStall is how long a server may say nothing.
const DefaultStall = 30 * time.Second

// Source is what to get.
type Source struct {
	// URL is an http, https or file URL, or a path.
	URL string
	// SHA256 is the digest of what lies there, in hex.
	SHA256 string
	// Member is the name of a file in the tar archive that lies there; empty if that is no archive. What is
	// compressed with gzip is decompressed either way.
	Member string
	// Setting names what the user would change to get it from elsewhere.
	Setting string
}

// Target is where it belongs.
type Target struct {
	// What it is, for sentences, such as "kernel".
	What string
	// Path is the file. Its directory is made if it is missing.
	Path string
	// Mode is the file's, DirMode that of directories that are made.
	Mode, DirMode fs.FileMode
	// MaxBytes bounds what is got, and what is made of it.
	MaxBytes int64
	// Replace allows to replace a file at Path.
	Replace bool
	// Check looks at the file before it gets its name; an error keeps it from getting one. Nil accepts any.
	Check func(path string) error
	// Setting names what the user would change to have it elsewhere.
	Setting string
}

// Config says how. The zero value will do.
type Config struct {
	// Client gets what has an http or https URL; where redirects may lead is not for it to say. Nil takes a
	// sensible one.
	Client *http.Client
	// Stall bounds the time without a byte; 0 takes [DefaultStall].
	Stall time.Duration
	// Progress is called while it comes with how much has, and how much there is, -1 if that is not known. Nil
	// is told nothing.
	Progress func(done, total int64)
}

// Get gets it. An error is a sentence that says what to do; it wraps fs.ErrExist if there is something at
// Target.Path, and the cause of ctx if that has ended.
func (c Config) Get(ctx context.Context, s Source, t Target) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := t.vacant(); err != nil {
		return err
	}
	dir := filepath.Dir(t.Path)
	if err := os.MkdirAll(dir, t.DirMode); err != nil {
		return t.unwritable(err)
	}
	var undo unwind.Stack
	defer undo.Run()
	temporary := func() (*os.File, error) {
		f, err := os.CreateTemp(dir, "."+filepath.Base(t.Path)+".*")
		if err != nil {
			return nil, t.unwritable(err)
		}
		undo.Add(func() {
			_ = f.Close()           // harmless the second time
			_ = os.Remove(f.Name()) // it has another name if all went well
		})
		return f, nil
	}
	got, err := temporary()
	if err != nil {
		return err
	}
	if err := c.download(ctx, s, t, got); err != nil {
		return err
	}
	file := got
	packed, err := s.open(got)
	if err != nil {
		return t.unwritable(err)
	}
	if packed != nil {
		if file, err = temporary(); err != nil {
			return err
		}
		if err := packed.unpack(ctx, s, t, file); err != nil {
			return err
		}
	}
	return t.publish(file)
}

// vacant reports why nothing may be put at the path.
func (t Target) vacant() error {
	info, err := os.Lstat(t.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return t.unwritable(err)
	case !t.Replace:
		return fmt.Errorf("%w at %s, which is left as it is: remove it to get another", fs.ErrExist, t.Path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("what is at %s is no file, and not replaced: remove it", t.Path)
	}
	return nil
}

// publish gives a complete file its name.
func (t Target) publish(f *os.File) error {
	if err := f.Chmod(t.Mode); err != nil {
		return t.unwritable(err)
	}
	if err := f.Sync(); err != nil {
		return t.unwritable(err)
	}
	if err := f.Close(); err != nil {
		return t.unwritable(err)
	}
	if t.Check != nil {
		if err := t.Check(f.Name()); err != nil {
			return fmt.Errorf("what was got as the %s is not used: %w", t.What, err)
		}
	}
	if err := t.place(f.Name()); err != nil {
		return err
	}
	if d, err := os.Open(filepath.Dir(t.Path)); err == nil { // so that the name outlives a power failure
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}

// place moves the file from its temporary name to its own. Without Replace whoever was faster wins.
func (t Target) place(temporary string) error {
	if err := t.vacant(); err != nil {
		return err
	}
	if !t.Replace {
		err := os.Link(temporary, t.Path)
		if err == nil {
			return nil // the temporary name goes by itself
		}
		if errors.Is(err, fs.ErrExist) {
			return t.vacant()
		}
		// A file system without links.
	}
	if err := os.Rename(temporary, t.Path); err != nil {
		return t.unwritable(err)
	}
	return nil
}
