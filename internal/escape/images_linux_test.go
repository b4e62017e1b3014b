package escape_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// entry is one of a layer.
type entry struct {
	tar.Header
	content []byte
}

func file(name string, mode int64, content []byte) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, content}
}

func symlink(name, target string) entry {
	return entry{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}, nil}
}

func hardlink(name, target string) entry {
	return entry{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o6755}, nil}
}

func dir(name string) entry {
	return entry{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, nil}
}

func layerOf(t *testing.T, entries ...entry) v1.Layer {
	t.Helper()
	l, err := makeLayer(entries...)
	must(t, err)
	return l
}

func makeLayer(entries ...entry) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		if err := w.WriteHeader(&e.Header); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(opener, tarball.WithCompressionLevel(gzip.NoCompression), tarball.WithCompressedCaching)
}

// programLayer has the program, and is the same for all images.
var programLayer = sync.OnceValues(func() (v1.Layer, error) {
	program, err := os.ReadFile(filepath.Join(binDir, "intruder"))
	if err != nil {
		return nil, err
	}
	return makeLayer(file("bin/intruder", 0o755, program))
})

// image is a deployment of an image of layers, in which /bin/intruder waits for attacks as a user.
func (r *rig) image(t *testing.T, name, user string, layers ...v1.Layer) client.Deployment {
	t.Helper()
	program, err := programLayer()
	must(t, err)
	im, err := mutate.AppendLayers(empty.Image, append([]v1.Layer{program}, layers...)...)
	must(t, err)
	c, err := im.ConfigFile()
	must(t, err)
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", runtime.GOARCH
	c.Config = v1.Config{Entrypoint: []string{"/bin/intruder"}, Cmd: []string{"serve"}, User: user}
	im, err = mutate.ConfigFile(im, c)
	must(t, err)
	path := t.TempDir()
	l, err := layout.Write(path, empty.Index)
	must(t, err, l.AppendImage(im))
	digest, err := im.Digest()
	must(t, err)
	d := r.file(name, nex.TypeOCI, path)
	d.Digest = digest.Hex
	return d
}

// images is about what an image brings along: programs of root's with the set-user-id bit, and with
// capabilities, in one layer and linked to in another; and about being root itself.
func images(t *testing.T, r *rig, _ *world) {
	program, err := os.ReadFile(filepath.Join(binDir, "intruder"))
	must(t, err)
	capable := file("opt/capable", 0o755, program)
	capable.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": fileCapabilities()}
	brought := []v1.Layer{
		layerOf(t, file("opt/set-user-id", 0o4755, program), file("opt/set-both", 0o6755, program), capable),
		layerOf(t, hardlink("opt/linked", "opt/set-user-id"), symlink("opt/symlink", "set-both")),
	}
	c := newCanaries(t, r)
	r.deploy(t, r.image(t, "user", "1000:1000", brought...))
	r.attack(t, "user", "set-user-id", "/opt/set-user-id", "/opt/set-both", "/opt/capable", "/opt/linked", "/opt/symlink").wantRefused(t)
	r.attack(t, "user", "become").wantRefused(t)
	attackAgent(t, r, "user")

	r.deploy(t, r.image(t, "root", "0:0", brought...))
	attackAgent(t, r, "root")
	for _, args := range [][]string{
		append([]string{"read"}, c.paths...),
		append([]string{"write"}, c.paths...),
		{"become"},
		{"privileged", "/opt"},
		{"kernel"},
		{"devices"},
		{"lift"},
		{"set-user-id", "/opt/set-user-id", "/opt/capable"},
		{"confined", "process", agentPID},
		{"confined", "search"},
	} {
		r.attack(t, "root", args...).wantRefused(t)
	}
	c.wantUntouched(t)
	r.controlSetUserID(t, program)
}

// fileCapabilities are all of them, effective at once, as the kernel keeps them with a file.
func fileCapabilities() string {
	const revision2, effective = 0x02000000, 1
	b := binary.LittleEndian.AppendUint32(nil, revision2|effective)
	for range 4 {
		b = binary.LittleEndian.AppendUint32(b, ^uint32(0))
	}
	return string(b)
}

// controlSetUserID runs such programs on the host.
func (r *rig) controlSetUserID(t *testing.T, program []byte) {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "nex-escape-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "of-root")
	plain := filepath.Join(dir, "intruder")
	must(t, os.Chmod(dir, 0o777), os.WriteFile(plain, program, 0o755), os.WriteFile(path, program, 0o755), os.Chmod(path, 0o755|os.ModeSetuid))
	o := onHostAs(t, &syscall.Credential{Uid: 1000, Gid: 1000}, plain, dir, "set-user-id", path)
	if len(o.escaped) != 1 || !strings.Contains(o.escaped[0], path) {
		t.Errorf("the control fails: %s", o.all)
	}
}

// layers is about those that lead out of the directory that they are unpacked in, deployed as they are: each
// is refused, or does no harm.
func layers(t *testing.T, r *rig, _ *world) {
	c := newCanaries(t, r)
	bad, up := []byte("intruder"), strings.Repeat("../", 16)
	canary := c.paths[0]
	outside := filepath.Dir(canary)
	for _, tt := range []struct {
		name    string
		refused string // what the refusal says; "" if it may also do no harm
		layers  [][]entry
	}{
		{"zip-slip", "..", [][]entry{{file(up+canary[1:], 0o644, bad)}}},
		{"absolute-name", "", [][]entry{{file(canary, 0o644, bad)}}},
		{"symlink-slip", "", [][]entry{{symlink("a", outside)}, {file("a/canary", 0o644, bad), file("a/new", 0o644, bad)}}},
		{"symlink-slip-in-one-layer", "", [][]entry{{symlink("a", up+outside[1:]), file("a/canary", 0o644, bad)}}},
		{"hard-link-slip", "no file of the image", [][]entry{{hardlink("a", canary), file("a", 0o644, bad)}}},
		{"hard-link-slip-with-dots", "..", [][]entry{{hardlink("a", up+canary[1:])}, {file("a", 0o644, bad)}}},
		{"hard-link-slip-through-symlink", "no file of the image", [][]entry{{symlink("l", outside), hardlink("a", "l/canary")}, {file("a", 0o644, bad)}}},
		{"whiteout-slip", "", [][]entry{{symlink("l", outside)}, {file("l/.wh.canary", 0o644, nil), file("l/.wh..wh..opq", 0o644, nil)}}},
		// Where sandboxes mount something.
		{"mount-points", "", [][]entry{{
			symlink("tmp", outside), symlink("proc", outside), dir("dev"), symlink("dev/shm", outside), symlink("sys", outside),
		}}},
		{"etc-elsewhere", "", [][]entry{{symlink("etc", outside)}}},
		{"mount-points-in-nowhere", "", [][]entry{{symlink("tmp", outside+"/tmp"), dir("etc"), symlink("etc/hosts", outside+"/hosts"), symlink("etc/resolv.conf", canary)}}},
		{"own-mount-points", "", [][]entry{{dir(".nex"), symlink(".nex/own", outside), symlink(".nex/in", outside), symlink(".nex/agent", canary)}}},
		{"own-directory", ".nex", [][]entry{{symlink(".nex", outside)}}},
	} {
		var list []v1.Layer
		for _, entries := range tt.layers {
			list = append(list, layerOf(t, entries...))
		}
		r.slip(t, r.image(t, tt.name, "0:0", list...), tt.refused)
		c.wantUntouched(t)
	}
}

// slip deploys an image that must be refused for a reason, or if there is none may run.
func (r *rig) slip(t *testing.T, d client.Deployment, reason string) {
	t.Helper()
	answer, err := r.client.Deploy(t.Context(), d)
	switch {
	case nex.CodeOf(err) == nex.CodeInternal:
		t.Errorf("%s: %v", d.Name, err)
	case reason != "" && (err == nil || !strings.Contains(err.Error(), reason)):
		t.Errorf("%s is %+v, %v, want it refused because of %q", d.Name, answer, err, reason)
	}
	if err == nil {
		r.deployed[answer.ID] = d.Name
		r.stopAll(t)
	}
}
