package rootfs_test

import (
	"path/filepath"
	"syscall"
	"testing"
)

func TestExtendedAttributesAreDropped(t *testing.T) {
	t.Parallel()
	s := newStage(t, roomy)
	h := file("ping", "x")
	h.PAXRecords["SCHILY.xattr.security.capability"] = "\x01\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	h.PAXRecords["SCHILY.xattr.user.note"] = "x"
	s.mustApply(h)
	for _, name := range []string{"security.capability", "user.note"} {
		if n, err := syscall.Getxattr(filepath.Join(s.dir, "root", "ping"), name, make([]byte, 100)); err == nil {
			t.Errorf("%s has %d bytes", name, n)
		}
	}
}
