package fetch

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/castore"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/preflight/diskspace"
)

// Shown is the address without what may be a secret in it: password and query.
func (s Source) Shown() string {
	u, err := config.ParseSource(s.URL)
	switch {
	case err != nil:
		return "(unreadable)"
	case u.Scheme == "file":
		return u.Path
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}

// unreachable is for a server that does not answer.
func (s Source) unreachable(err error) error {
	if redirect := (*redirectError)(nil); errors.As(err, &redirect) {
		return redirect
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // it has the address in it
	}
	return fmt.Errorf("%s cannot be reached (%w): see to the network, or set %s.url to a mirror or to a file on this machine", s.Shown(), err, s.Setting)
}

// brokeOff is for a source that ends before its file does.
func (s Source) brokeOff(done, size int64, err error) error {
	of := ""
	if size >= 0 {
		of = fmt.Sprintf(" of %d", size)
	}
	return fmt.Errorf("what comes from %s broke off after %d%s bytes (%w): try again", s.Shown(), done, of, err)
}

// damaged is for what has its digest and yet cannot be unpacked.
func (s Source) damaged(err error) error {
	return fmt.Errorf("what lies at %s cannot be unpacked (%w): name another file in %s", s.Shown(), err, s.Setting)
}

func (t Target) tooLarge(s Source) error {
	return fmt.Errorf("what lies at %s is larger than the %s that a %s may have: change %s.url", s.Shown(), diskspace.Size(uint64(t.MaxBytes)), t.What, s.Setting)
}

// room reports that so many bytes more do not fit. A negative size is not known.
func (t Target) room(size int64) error {
	dir := filepath.Dir(t.Path)
	free, err := diskspace.Free(dir)
	if err != nil || size < 0 || uint64(size) <= free {
		return nil //nolint:nilerr // writing will tell
	}
	return fmt.Errorf("the disk of %s has %s of free space, and the %s takes %s: free some, or choose another place with %s",
		dir, diskspace.Size(free), t.What, diskspace.Size(uint64(size)), t.Setting)
}

// unwritable is for the destination.
func (t Target) unwritable(err error) error {
	dir := filepath.Dir(t.Path)
	switch {
	case castore.IsDiskFull(err):
		return fmt.Errorf("the disk of %s is full: free space there, or choose another place with %s: %w", dir, t.Setting, cause(err))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not write to %s: run nex node preflight as root, for example with sudo, or choose another place with %s: %w", dir, t.Setting, cause(err))
	}
	return fmt.Errorf("%s cannot be written to (%w): choose another place with %s", dir, cause(err), t.Setting)
}

// cause drops the path, which a sentence says anyhow.
func cause(err error) error {
	if wrapped := (*fs.PathError)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	if wrapped := (*os.LinkError)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
