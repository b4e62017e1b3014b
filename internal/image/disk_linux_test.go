package image_test

import (
	"path/filepath"
	"slices"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image"
	"github.com/nex-engine/nex/internal/nextest"
)

// The disk of the store is full: a small file system, mounted where nobody else sees it.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	nextest.OnSmallDisk(t, "2m", func(dir string) {
		im := build(t, nil, layerOf(t, entries{"small", "x", "large", noise(4 << 20)}.tar(t)))
		layout := writeLayout(t, filepath.Join(t.TempDir(), "layout"), im)
		s := open(t, image.Config{Dir: filepath.Join(dir, "images"), AllowFile: true})
		wantCode(t, refuse(t, s, reference(t, "file://"+layout)), nex.CodeInternal, "disk", "full")
		if got := list(t, filepath.Join(dir, "images")); !slices.Equal(got, nil) {
			t.Errorf("left: %v", got)
		}
	})
}
