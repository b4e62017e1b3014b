package main_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nex-engine/nex/internal/nextest"
)

// debianRoot is the root directory of a Debian, packed; make test prepares it.
func debianRoot() string { return filepath.Join(nextest.Root(), "bin", "debian.tar") }

// condition says whether what a script needs is there.
func condition(name string) (bool, error) {
	_, err := os.Stat(debianRoot())
	return name == "debian" && err == nil, nil
}

// Who may read the private registry.
const (
	registryUser     = "me"
	registryPassword = "secret"
)

// images makes a registry with images of our programs, REGISTRY, whose app:1 has the digest DIGEST; a
// registry that wants a password, PRIVATE, with number:1; and the image of the echo service as the OCI layout
// layout and as echo.tar, as docker save writes it.
func images(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: images")
	}
	users := file{"etc/passwd", []byte("root:x:0:0::/root:/bin/sh\napp:x:1234:1235::/home/app:/bin/sh\n")}
	groups := file{"etc/group", []byte("app:x:1235:\nvideo:x:44:app\n")}
	base := packedLayerOf(ts, users, groups, file{"srv/greeting", []byte("hello\n")})
	prog := layerOf(ts, file{"bin/prog", read(ts, "testprog")})
	do := func(c v1.Config) v1.Image {
		c.Entrypoint = []string{"prog", "do"}
		c.Env = append(c.Env, "PATH=/bin")
		return imageOf(ts, c, base, prog)
	}
	app := do(v1.Config{
		Cmd: []string{"env=COLOR", "env=HOME"}, Env: []string{"COLOR=red"},
		User: "app", WorkingDir: "/srv", StopSignal: "SIGQUIT",
	})
	echo := imageOf(ts, v1.Config{Entrypoint: []string{"/bin/echo"}}, layerOf(ts, file{"bin/echo", read(ts, "echoservice")}))
	foreign := platformOf(ts, app, "s390x")

	public := registryFor(ts, "")
	ts.Setenv("REGISTRY", public)
	for as, im := range map[string]v1.Image{
		"echo:latest": echo,
		"app:1":       app,
		"number:1":    do(v1.Config{User: "4321:8765"}),
		"root:1":      do(v1.Config{}),
		"foreign:1":   foreign,
		"nouser:1":    do(v1.Config{User: "nobody"}),
		"lost:1":      imageOf(ts, v1.Config{Entrypoint: []string{"/bin/lost"}}, prog),
		"lost:name":   imageOf(ts, v1.Config{Entrypoint: []string{"lost"}, Env: []string{"PATH=/bin"}}, prog),
		"empty:1":     imageOf(ts, v1.Config{}, prog),
	} {
		push(ts, public+"/"+as, im)
	}
	private := registryFor(ts, registryPassword)
	ts.Setenv("PRIVATE", private)
	push(ts, private+"/number:1", do(v1.Config{User: "4321:8765", StopSignal: "SIGTERM"})) // another than in the public one

	digest, err := app.Digest()
	ts.Check(err)
	ts.Setenv("DIGEST", digest.Hex)
	tag, err := name.NewTag("example.com/echo:latest")
	ts.Check(err)
	ts.Check(tarball.WriteToFile(ts.MkAbs("echo.tar"), tag, echo))
	writeLayout(ts, "layout", echo)
}

// debian makes an OCI layout of a Debian with prog, and a script that starts what its arguments say.
func debian(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: debian DIR")
	}
	base, err := newPlainLayer(func() (io.ReadCloser, error) { return os.Open(debianRoot()) })
	ts.Check(err)
	entry := "#!/bin/sh\necho \"entered as $(id -un) in $PWD\"\nexec \"$@\"\n"
	own := packedLayerOf(ts, file{"usr/local/bin/entry", []byte(entry)})
	prog := layerOf(ts, file{"usr/local/bin/prog", read(ts, "testprog")})
	c := v1.Config{
		Entrypoint: []string{"entry"}, Cmd: []string{"prog", "do", "read=/etc/debian_version"},
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, User: "www-data", WorkingDir: "/var/www",
	}
	writeLayout(ts, args[0], imageOf(ts, c, base, own, prog))
}

// file is one of a layer; it can be executed.
type file struct {
	name    string
	content []byte
}

// read reads one of the programs for scripts.
func read(ts *testscript.TestScript, program string) []byte {
	b, err := os.ReadFile(filepath.Join(binDir, program))
	ts.Check(err)
	return b
}

// archiveOf returns what opens a tar archive of files.
func archiveOf(ts *testscript.TestScript, files ...file) func() (io.ReadCloser, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		ts.Check(w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.content))}))
		_, err := w.Write(f.content)
		ts.Check(err)
	}
	ts.Check(w.Close())
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
}

func layerOf(ts *testscript.TestScript, files ...file) v1.Layer {
	l, err := newPlainLayer(archiveOf(ts, files...))
	ts.Check(err)
	return l
}

// packedLayerOf is a layer as most are, compressed; for large files that takes seconds.
func packedLayerOf(ts *testscript.TestScript, files ...file) v1.Layer {
	l, err := tarball.LayerFromOpener(archiveOf(ts, files...))
	ts.Check(err)
	return l
}

func imageOf(ts *testscript.TestScript, c v1.Config, layers ...v1.Layer) v1.Image {
	im, err := mutate.AppendLayers(empty.Image, layers...)
	ts.Check(err)
	im, err = mutate.Config(im, c)
	ts.Check(err)
	return platformOf(ts, im, runtime.GOARCH)
}

// platformOf is an image that says it is for linux and the architecture.
func platformOf(ts *testscript.TestScript, im v1.Image, arch string) v1.Image {
	c, err := im.ConfigFile()
	ts.Check(err)
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", arch
	im, err = mutate.ConfigFile(im, c)
	ts.Check(err)
	return im
}

func writeLayout(ts *testscript.TestScript, dir string, im v1.Image) {
	l, err := layout.Write(ts.MkAbs(dir), empty.Index)
	ts.Check(err)
	ts.Check(l.AppendImage(im))
}

// registryFor starts a registry on loopback, with a password if there is one, for as long as the script
// runs, and returns its address.
func registryFor(ts *testscript.TestScript, password string) string {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); password != "" && given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="images"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	ts.Defer(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func push(ts *testscript.TestScript, as string, im v1.Image) {
	ref, err := name.ParseReference(as)
	ts.Check(err)
	auth := &authn.Basic{Username: registryUser, Password: registryPassword}
	ts.Check(remote.Write(ref, im, remote.WithAuth(auth)))
}

// plainLayer is a layer that is not compressed.
type plainLayer struct {
	open   func() (io.ReadCloser, error)
	size   int64
	digest v1.Hash
}

func newPlainLayer(open func() (io.ReadCloser, error)) (*plainLayer, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, r)
	return &plainLayer{open: open, size: size, digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}}, err
}

func (l *plainLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *plainLayer) DiffID() (v1.Hash, error)             { return l.digest, nil }
func (l *plainLayer) Compressed() (io.ReadCloser, error)   { return l.open() }
func (l *plainLayer) Uncompressed() (io.ReadCloser, error) { return l.open() }
func (l *plainLayer) Size() (int64, error)                 { return l.size, nil }
func (l *plainLayer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
