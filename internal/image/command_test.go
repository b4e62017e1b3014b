package image_test

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image"
	"github.com/nex-engine/nex/internal/image/userdb"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		entrypoint, cmd, argv, want []string
	}{
		{[]string{"/app", "-v"}, []string{"serve"}, nil, []string{"/app", "-v", "serve"}},
		{[]string{"/app", "-v"}, []string{"serve"}, []string{"check", "x"}, []string{"/app", "-v", "check", "x"}},
		{nil, []string{"sh", "-c", "x"}, nil, []string{"sh", "-c", "x"}},
		{nil, []string{"sh"}, []string{"ls"}, []string{"ls"}},
		{[]string{"/app"}, nil, nil, []string{"/app"}},
		{nil, nil, []string{"ls"}, []string{"ls"}},
		{nil, nil, nil, nil},
		{nil, []string{""}, nil, nil},
		{[]string{""}, []string{"x"}, nil, nil},
	}
	for _, tt := range tests {
		got, err := image.Command(image.RunConfig{Entrypoint: tt.entrypoint, Cmd: tt.cmd}, tt.argv)
		if !slices.Equal(got, tt.want) || (err != nil) != (tt.want == nil) {
			t.Errorf("command of %q %q %q = %q, %v; want %q", tt.entrypoint, tt.cmd, tt.argv, got, err, tt.want)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	h.push(t, "app", build(t, func(c *v1.ConfigFile) {
		c.Config = v1.Config{Entrypoint: []string{"/app"}, Cmd: []string{"x"}, Env: []string{"A=b"}, User: "app", WorkingDir: "srv/app", StopSignal: "SIGQUIT", ExposedPorts: map[string]struct{}{"9/udp": {}, "80/tcp": {}}}
	}, layerOf(t, entries{"srv@", "/var/srv"}.tar(t))))
	h.push(t, "bare", simple(t, "one"))
	h.push(t, "bad", build(t, func(c *v1.ConfigFile) { c.Config.WorkingDir = "/etc/content" }, layerOf(t, entries{"etc/content", "x"}.tar(t))))
	dir := filepath.Join(t.TempDir(), "images")
	want := image.RunConfig{Entrypoint: []string{"/app"}, Cmd: []string{"x"}, Env: []string{"A=b"}, User: "app", WorkingDir: "/srv/app", StopSignal: "SIGQUIT", ExposedPorts: []string{"80/tcp", "9/udp"}}
	var digest string
	for range 2 { // the second time from the store
		s := open(t, image.Config{Dir: dir})
		m := get(t, s, reference(t, h.location("app"), digest))
		if got := m.Config(); !reflect.DeepEqual(got, want) {
			a, _ := json.Marshal(got)
			t.Errorf("config = %s", a)
		}
		wantTree(t, m, map[string]string{"srv": "→ /var/srv", "var": "/", "var/srv": "/", "var/srv/app": "/"})
		digest = m.Digest()
		m.Release()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, image.Config{})
	if got := get(t, s, reference(t, h.location("bare"))).Config(); got.WorkingDir != "/" || got.User != "" || got.Entrypoint != nil {
		t.Errorf("config = %+v", got)
	}
	wantCode(t, refuse(t, s, reference(t, h.location("bad"))), nex.CodeInvalidExecutable, "no directory")
}

func TestUser(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "passwd")
	writeFile(t, secret, "app:x:1:1::/stolen:\n")
	const passwd = "root:x:0:0::/root:\napp:x:1000:1001::/home/app:\n"
	const groups = "video:x:44:app\n"
	tests := []struct {
		name  string
		files entries
		user  string
		want  *userdb.User
	}{
		{"by name", entries{"etc/passwd", passwd, "etc/group", groups}, "app", &userdb.User{UID: 1000, GID: 1001, Groups: []uint32{44}, Home: "/home/app"}},
		{"with a group", entries{"etc/passwd", passwd, "etc/group", groups}, "1000:video", &userdb.User{UID: 1000, GID: 44, Home: "/home/app"}},
		{"none", entries{"etc/passwd", passwd}, "", &userdb.User{Home: "/root"}},
		{"no files", entries{"x", ""}, "65534:65534", &userdb.User{UID: 65534, GID: 65534, Home: "/"}},
		{"through links inside", entries{"etc@", "/usr/etc", "usr/etc/passwd@", "../../lib/users", "lib/users", passwd}, "app", &userdb.User{UID: 1000, GID: 1001, Home: "/home/app"}},
		{"through a link out", entries{"etc/passwd@", secret}, "app", nil},
		{"unknown", entries{"etc/passwd", passwd}, "nobody", nil},
		{"passwd is a directory", entries{"etc/passwd/x", ""}, "app", nil},
		{"links in a circle", entries{"etc@", "etc"}, "app", nil},
		{"too large", entries{"etc/passwd", string(make([]byte, 2<<20))}, "app", nil},
	}
	h := newHost(t, nil)
	s := open(t, image.Config{})
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			as := "user" + string(rune('a'+i))
			h.push(t, as, build(t, func(c *v1.ConfigFile) { c.Config.User = tt.user }, layerOf(t, tt.files.tar(t))))
			got, err := get(t, s, reference(t, h.location(as))).User()
			if tt.want == nil {
				wantCode(t, err, nex.CodeInvalidExecutable, "cannot run as user")
			} else if err != nil || !reflect.DeepEqual(got, *tt.want) {
				t.Errorf("user = %+v, %v; want %+v", got, err, *tt.want)
			}
		})
	}
}
