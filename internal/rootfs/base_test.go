package rootfs_test

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	layers "github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// baseEntries are those of a base with all that matters.
var baseEntries = []string{
	"5 etc/", "0 etc/passwd|root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\nnex:x:7:7::/:\n", "0 etc/group|root:x:0:\nshadow:x:42:\n",
	"0 etc/nsswitch.conf|hosts: dns\n", "2 etc/resolv.conf|/run/resolv.conf", "5 etc/pki/tls/certs/", "0 etc/pki/tls/certs/ca-bundle.crt|theirs",
	"0 bin/tool|#!/bin/sh\n", "1 bin/again|bin/tool", "2 bin/sh|tool", "2 outside|../../../../etc/passwd", "2 lost|/nowhere",
	"5 proc/", "0 proc/cpuinfo|x", "0 dev/console|", "0 tmp/old|x", "0 usr/lib/nex/nex-agent|false", "0 usr/lib/nex/more|x", "3 zero|", "6 pipe|", "0 etc/hosts|1.2.3.4 theirs\n",
}

// checkBase checks that a directory has what the base brings, and what lies on top of it.
func checkBase(t *testing.T, dir string) {
	t.Helper()
	for path, want := range map[string]string{
		"bin/tool": "#!/bin/sh\n", "bin/again": "#!/bin/sh\n", "etc/nsswitch.conf": "hosts: dns\n", "etc/pki/tls/certs/ca-bundle.crt": "theirs", "etc/resolv.conf": "",
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnex:x:1000:1000:nex:/home/nex:/bin/false\nworkload:x:1001:1001:workload:/work:/bin/false\n" +
			"nobody:x:65534:65534:nobody:/:/bin/false\nnode:x:1000:1000::/home/node:/bin/sh\n",
		"etc/group": "root:x:0:\nnex:x:1000:\nworkload:x:1001:\nnogroup:x:65534:\nshadow:x:42:\n",
		"etc/hosts": "127.0.0.1 localhost nex\n::1 localhost nex\n",
	} {
		if got := read(t, filepath.Join(dir, path)); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]string{"bin/sh": "tool", "outside": "../../../../etc/passwd", "lost": "/nowhere"} {
		if got, err := os.Readlink(filepath.Join(dir, path)); err != nil || got != want {
			t.Errorf("%s leads to %q, %v, want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"proc/cpuinfo", "dev/console", "tmp/old", "usr/lib/nex/more", "zero", "pipe", "etc/ssl/certs/ca-certificates.crt"} {
		if exists(filepath.Join(dir, path)) {
			t.Errorf("there is %s", path)
		}
	}
	tool, err := os.Stat(filepath.Join(dir, "bin", "tool"))
	must(t, err)
	again, err := os.Stat(filepath.Join(dir, "bin", "again"))
	must(t, err)
	if !os.SameFile(tool, again) {
		t.Error("a file with two names has become two files")
	}
	if !tool.ModTime().Equal(day) {
		t.Errorf("a file has the time %v, want %v", tool.ModTime(), day)
	}
}

func TestArchives(t *testing.T) {
	plain := archive(t, baseEntries...)
	z, err := zstd.NewWriter(nil)
	must(t, err)
	for name, content := range map[string]string{
		"base.tar": string(plain), "base.tar.gz": packed(t, plain), "base.tar.zst": string(z.EncodeAll(plain, nil)),
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.Base = file(t, name, content)
			said := ""
			c.Say = func(format string, _ ...any) { said += format + "\n" }
			checkBase(t, buildDir(t, c))
			if !strings.Contains(said, "Left out") {
				t.Errorf("it does not say that devices were left out, but\n%s", said)
			}
		})
	}
}

// A directory is a base as it lies there, and stays so.
func TestDirectoryAsBase(t *testing.T) {
	c := config(t)
	c.Base = file(t, "base.tar", string(archive(t, baseEntries...)))
	base := buildDir(t, c)
	must(t, os.Remove(filepath.Join(base, "etc", "resolv.conf")))
	must(t, os.Chmod(filepath.Join(base, "proc"), 0o755))
	must(t, os.WriteFile(filepath.Join(base, "proc", "cpuinfo"), nil, 0o600))
	c.Base = base
	checkBase(t, buildDir(t, c))
	if !exists(filepath.Join(base, "proc", "cpuinfo")) {
		t.Error("the base was changed")
	}
}

// imageOf makes an image of a layer.
func imageOf(t *testing.T, tarball []byte) v1.Image {
	t.Helper()
	im, err := mutate.AppendLayers(empty.Image, layers.NewLayer(tarball, types.OCIUncompressedLayer))
	must(t, err)
	cfg, err := im.ConfigFile()
	must(t, err)
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", runtime.GOARCH
	im, err = mutate.ConfigFile(im, cfg)
	must(t, err)
	return im
}

func TestImages(t *testing.T) {
	im := imageOf(t, archive(t, baseEntries...))
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(srv.Close)
	named := strings.TrimPrefix(srv.URL, "http://") + "/some/base:1"
	ref, err := name.ParseReference(named)
	must(t, err)
	must(t, remote.Write(ref, im))
	dir := t.TempDir()
	p, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	must(t, err)
	must(t, p.AppendImage(im))
	saved := filepath.Join(dir, "saved.tar")
	must(t, tarball.WriteToFile(saved, ref, im))
	for _, base := range []string{"oci://" + named, named, filepath.Join(dir, "layout"), saved} {
		t.Run(filepath.Base(base), func(t *testing.T) {
			c := config(t)
			c.Base = base
			checkBase(t, buildDir(t, c))
		})
	}
	c := config(t)
	c.Base = strings.TrimSuffix(named, ":1") + ":2"
	if _, err := tryBuild(t, c); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("error = %v, want that it was not found", err)
	}
}

// What a base has in its place of what others are made of is refused.
func TestStrangeBases(t *testing.T) {
	for entry, says := range map[string]string{
		"5 etc/passwd/": "etc/passwd", "2 etc/group|/etc": "etc/group", "5 usr/lib/nex/nex-agent/": "",
		"0 etc/passwd|" + strings.Repeat("x", 1<<20+1): "1048576", "2 etc/passwd|loop": "", "2 etc/passwd|passwd": "",
	} {
		c := config(t)
		c.Base = file(t, "base.tar", string(archive(t, "5 etc/", entry)))
		_, err := tryBuild(t, c)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%.30q: error = %v, want %q", entry, err, says)
		}
	}
}
