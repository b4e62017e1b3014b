//go:build !windows

package castore_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/castore"
)

func TestIsDiskFull(t *testing.T) {
	t.Parallel()
	for errno, want := range map[syscall.Errno]bool{syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EACCES: false} {
		if got := castore.IsDiskFull(&os.PathError{Op: "write", Path: "file", Err: errno}); got != want {
			t.Errorf("IsDiskFull(%v) = %v, want %v", errno, got, want)
		}
	}
}
