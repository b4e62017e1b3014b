package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/castore"
	"github.com/nex-engine/nex/internal/image/rootfs"
)

// failure is a nex.Error whose cause is in the chain too.
type failure struct {
	err   *nex.Error
	cause error
}

func (f *failure) Error() string   { return f.err.Message }
func (f *failure) Unwrap() []error { return []error{f.err, f.cause} }

// fail makes a failure. The text of cause is the caller's to put into the message.
func fail(cause error, code nex.Code, format string, args ...any) error {
	return &failure{err: nex.Errorf(code, format, args...), cause: cause}
}

// isCoded reports whether an error is ready for a client.
func isCoded(err error) bool {
	var coded *nex.Error
	return errors.As(err, &coded)
}

// notFound is the failure of an image that does not exist; why is the end of the sentence.
func notFound(ref Reference, cause error, why string) error {
	return fail(cause, nex.CodeArtifactNotFound, "image %s not found: %s", ref, why)
}

// unavailable is the failure of a place that does not do its work. An err that has a code already is
// returned as it is.
func unavailable(ref Reference, err error) error {
	if isCoded(err) {
		return err
	}
	return fail(err, nex.CodeArtifactUnavailable, "image %s is unavailable: %s", ref, clip(err.Error()))
}

// gaveUp is the failure of a caller whose ctx has ended.
func gaveUp(ctx context.Context, ref Reference) error {
	cause := context.Cause(ctx)
	return fail(cause, nex.CodeArtifactUnavailable, "getting image %s was given up: %v", ref, cause)
}

// unusable is the failure of something that is no image that can run here; why is a predicate.
func unusable(ref Reference, cause error, why string) error {
	return fail(cause, nex.CodeInvalidExecutable, "image %s %s", ref, why)
}

// notUnpacked is the failure of a layer that cannot be unpacked, or of the node's own disk.
func notUnpacked(ref Reference, err error) error {
	switch {
	case isCoded(err):
		return err
	case errors.Is(err, rootfs.ErrTooLarge):
		return fail(err, nex.CodeArtifactTooLarge, "image %s %v: make it smaller, or raise the limit on the node", ref, err)
	case errors.Is(err, rootfs.ErrMalformed):
		return unusable(ref, err, fmt.Sprintf("is refused: %v", err))
	case castore.IsDiskFull(err):
		return fail(err, nex.CodeInternal, "image %s cannot be stored: the disk of the node's image store is full: free space there", ref)
	}
	return fail(err, nex.CodeInternal, "image %s cannot be stored in the node's image store: %v", ref, err)
}

// isStorage reports whether an error is that of a file or directory.
func isStorage(err error) bool {
	var onPath *fs.PathError
	var onLink *os.LinkError
	return errors.As(err, &onPath) || errors.As(err, &onLink)
}
