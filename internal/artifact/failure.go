package artifact

import (
	"context"
	"errors"
	"fmt"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/castore"
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

// notFound is the failure of an artifact that does not exist; why is the end of the sentence.
func notFound(ref Ref, cause error, why string) error {
	return fail(cause, nex.CodeArtifactNotFound, "artifact %s not found: %s", ref, why)
}

// unavailable is the failure of a source that does not do its work. An err that has a code already
// is returned as it is.
func unavailable(ref Ref, err error) error {
	var coded *nex.Error
	if errors.As(err, &coded) {
		return err
	}
	return fail(err, nex.CodeArtifactUnavailable, "artifact %s is unavailable: %s", ref, clip(err.Error()))
}

// brokeOff is the failure of a source that ended before its artifact did.
func brokeOff(ref Ref, after int64, err error) error {
	var coded *nex.Error
	if errors.As(err, &coded) {
		return err
	}
	return unavailable(ref, fmt.Errorf("the download broke off after %d bytes: %w", after, err))
}

// gaveUp is the failure of a caller whose ctx has ended.
func gaveUp(ctx context.Context, ref Ref) error {
	cause := context.Cause(ctx)
	return fail(cause, nex.CodeArtifactUnavailable, "fetching artifact %s was given up: %v", ref, cause)
}

// notStored is the failure of the node's own disk.
func notStored(ref Ref, err error) error {
	if castore.IsDiskFull(err) {
		return fail(err, nex.CodeInternal, "artifact %s cannot be stored: the disk of the node's artifact cache is full: free space there", ref)
	}
	return fail(err, nex.CodeInternal, "artifact %s cannot be stored in the node's artifact cache: %v", ref, err)
}
