//go:build !windows

package artifact_test

import (
	"path/filepath"
	"syscall"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
)

// None of these may be opened: the first would wait for ever, the second never end.
func TestFileIrregular(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, artifact.Config{AllowFile: true})
	for _, path := range []string{fifo, "/dev/zero"} {
		ref := artifact.Ref{Location: fileLocation(path)}
		_, err := c.Fetch(t.Context(), ref)
		wantCode(t, err, nex.CodeArtifactNotFound, "not a regular file")
		_, err = c.Check(t.Context(), ref)
		wantCode(t, err, nex.CodeArtifactNotFound, "not a regular file")
	}
}
