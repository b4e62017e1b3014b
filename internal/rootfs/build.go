package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nex-engine/nex/internal/ext4"
)

// DefaultSize is how large an image is if nobody says anything else, in bytes.
const DefaultSize = 150 << 20

// Config is what to build. Agent, Init and Output are required.
type Config struct {
	// Agent and Init are the programs that become /usr/lib/nex/nex-agent and nex-init: static ones for Linux and
	// this machine's architecture.
	Agent, Init string
	// Base is what everything else lies on top of: oci://registry/name:tag, what docker calls an image, or
	// the path of an OCI layout, an archive or a directory. "" is nothing.
	Base string
	// Size is that of the image in bytes; 0 takes DefaultSize. It does not count for a directory.
	Size int64
	// Output is the path of the image, which is packed if it ends with ".gz", and takes the place of a file of that name.
	// With a slash at the end it is a directory, which must be empty or not exist.
	Output string
	// Say is told what is being done, in words. Nil: nobody is.
	Say func(format string, args ...any)
	// Change may change an image before it gets its name, such as by booting of it; path is that of the ext4 file. Nil
	// changes nothing. A directory cannot be changed by it.
	Change func(ctx context.Context, path string) error
}

// Forms of what is built.
const (
	FormImage     = "ext4"
	FormPacked    = "ext4.gz"
	FormDirectory = "directory"
)

// Result is what was built.
type Result struct {
	Path string `json:"path"`
	Form string `json:"form"`
	// Size is that of the file system in bytes, and Used what of it is taken; of a directory they are 0.
	Size int64 `json:"size,omitempty"`
	Used int64 `json:"used,omitempty"`
	// FileSize and SHA256, in hex, are of the file at Path.
	FileSize int64  `json:"file_size,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
}

// builder builds one root file system.
type builder struct {
	Config
	tmp string // a directory beside the output, for what is not whole yet
}

// Build builds what c says. When it fails, or ctx ends before it is done, what was at the output is as it was. An error
// is one sentence that says what to do.
func Build(ctx context.Context, c Config) (Result, error) {
	r, err := build(ctx, c)
	switch {
	case err != nil && ctx.Err() != nil:
		return Result{}, context.Cause(ctx)
	case errors.Is(err, syscall.ENOSPC):
		return Result{}, fmt.Errorf("%w: free some room there, or choose another output", err)
	}
	return r, err
}

func build(ctx context.Context, c Config) (_ Result, err error) {
	if c.Size == 0 {
		c.Size = DefaultSize
	}
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	form, err := c.check()
	if err != nil {
		return Result{}, err
	}
	b := &builder{Config: c}
	if b.tmp, err = os.MkdirTemp(filepath.Dir(filepath.Clean(c.Output)), ".nex-rootfs-"); err != nil {
		return Result{}, fmt.Errorf("build a root file system: %w", err)
	}
	defer func() {
		if removed := os.RemoveAll(b.tmp); err == nil && removed != nil {
			err = fmt.Errorf("remove what a root file system was built of: %w", removed)
		}
	}()
	base, err := b.openBase(ctx)
	if err != nil {
		return Result{}, err
	}
	if base != nil {
		defer base.Close() // only read
	}
	c.Say("Writing %s", c.Output)
	if form == FormDirectory {
		return b.directory(ctx, base)
	}
	return b.image(ctx, base, form)
}

// check looks at what can be wrong before anything is done, and returns the form of the output.
func (c *Config) check() (form string, err error) {
	for _, p := range []struct{ what, path string }{{"agent", c.Agent}, {"init", c.Init}} {
		if err := checkProgram(p.what, p.path); err != nil {
			return "", err
		}
	}
	form = FormImage
	switch {
	case c.Output == "":
		return "", errors.New("build a root file system: no output is given")
	case strings.HasSuffix(c.Output, "/") || strings.HasSuffix(c.Output, string(filepath.Separator)):
		return FormDirectory, checkEmpty(c.Output)
	case strings.HasSuffix(c.Output, ".gz"):
		form = FormPacked
	}
	if c.Size < ext4.MinSize || c.Size > ext4.MaxSize {
		return "", fmt.Errorf("a root file system cannot have %d bytes: give a size of %d to %d", c.Size, ext4.MinSize, int64(ext4.MaxSize))
	}
	return form, c.checkReplaceable()
}

// checkReplaceable refuses to put an image where something other than a file is: a device must stay one.
func (c *Config) checkReplaceable() error {
	info, err := os.Lstat(c.Output)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(c.Output)); err != nil {
			return fmt.Errorf("the directory of the output cannot be used (%w): make it, or choose another", err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("look at the output: %w", err)
	case info.IsDir():
		return fmt.Errorf("%s is a directory: name a file, or write %s/ to get the files themselves instead of an image", c.Output, c.Output)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file and is not replaced: choose another name", c.Output)
	}
	return nil
}

// checkEmpty refuses a directory that has something in it.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look into the output: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("the directory %s is not empty: remove it, or choose another one", dir)
	}
	return nil
}

// epoch is the time of all that has none.
var epoch = time.Unix(0, 0)
