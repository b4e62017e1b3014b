package image_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/nex-engine/nex/internal/image"
)

// buildHello builds the program of testdata/hello, static.
func buildHello(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hello")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./testdata/hello")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build hello: %v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A program of our own in an image, run in its root as the image says.
func TestImageRuns(t *testing.T) {
	hello := buildHello(t)
	h := newHost(t, nil)
	h.push(t, "hello:v1", build(t, func(c *v1.ConfigFile) {
		c.Config = v1.Config{Entrypoint: []string{"/bin/hello"}, Cmd: []string{"world"}, Env: []string{"GREETING=hi"}, User: "app", WorkingDir: "/srv"}
	}, layerOf(t, entries{"bin@", "usr/bin"}.tar(t)), layerOf(t, entries{"bin/hello", hello, "etc/passwd", "app:x:1000:1001::/srv:\n", "etc/group", "video:x:44:app\n"}.tar(t))))
	s := open(t, image.Config{})
	digest, size, err := s.Resolve(t.Context(), reference(t, h.location("hello:v1")))
	if err != nil || size < 100_000 {
		t.Fatalf("resolve = %s, %d, %v", digest, size, err)
	}
	m := get(t, s, reference(t, h.location("hello:v1"), digest))
	u, err := m.User()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		argv []string
		want string
	}{
		{nil, "/bin/hello world 1000 1001 [44] /srv hi"},
		{[]string{"you", "all"}, "/bin/hello you all 1000 1001 [44] /srv hi"},
	} {
		argv, err := image.Command(m.Config(), tt.argv)
		if err != nil {
			t.Fatal(err)
		}
		cmd := &exec.Cmd{Path: argv[0], Args: argv, Env: m.Config().Env, Dir: m.Config().WorkingDir}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.Root(), Credential: &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}}
		if os.Geteuid() != 0 { // a user namespace has root, but not the other users
			cmd.SysProcAttr.Credential = nil
			cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: int(u.UID), HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: int(u.GID), HostID: os.Getgid(), Size: 1}}
		}
		out, err := cmd.CombinedOutput()
		got := strings.TrimSpace(string(out))
		if os.Geteuid() != 0 {
			tt.want = strings.ReplaceAll(tt.want, "[44]", fmt.Sprint(groupsInside(got)))
		}
		if err != nil || got != tt.want {
			t.Errorf("output = %q, %v; want %q", got, err, tt.want)
		}
	}
}

// groupsInside is the list of groups in the output of hello.
func groupsInside(out string) string {
	from, to := strings.IndexByte(out, '['), strings.IndexByte(out, ']')
	if from < 0 || to < from {
		return ""
	}
	return out[from : to+1]
}
