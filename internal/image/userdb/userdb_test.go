package userdb_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/image/userdb"
)

const passwd = `# users
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin

app:x:1000:1001:An app,,,:/home/app:/bin/sh
1234:x:77:78::/odd:
homeless:x:500:500
relative:x:501:501::home/x:
broken:x:abc:1::/:/
negative:x:-1:1::/:/
huge:x:4294967295:1::/:/
:x:9:9::/:/
+nis::::::
`

const groups = `root:x:0:
daemon:x:1:app
app:x:1001:
video:x:44:app,daemon
twice:x:44:app
audio:x:29:daemon,app
noMembers:x:90
bad:x:x:app
`

func TestLookup(t *testing.T) {
	t.Parallel()
	tests := []struct {
		spec string
		want userdb.User
	}{
		{"", userdb.User{Home: "/root"}},
		{"root", userdb.User{Home: "/root"}},
		{"0", userdb.User{Home: "/root"}},
		{"app", userdb.User{UID: 1000, GID: 1001, Groups: []uint32{1, 29, 44}, Home: "/home/app"}},
		{"1000", userdb.User{UID: 1000, GID: 1001, Groups: []uint32{1, 29, 44}, Home: "/home/app"}},
		{"app:video", userdb.User{UID: 1000, GID: 44, Home: "/home/app"}},
		{"app:5", userdb.User{UID: 1000, GID: 5, Home: "/home/app"}},
		{"app:", userdb.User{UID: 1000, GID: 1001, Groups: []uint32{1, 29, 44}, Home: "/home/app"}},
		{":video", userdb.User{GID: 44, Home: "/root"}},
		{"1234", userdb.User{UID: 77, GID: 78, Home: "/odd"}}, // a name, though it looks like a number
		{"4321", userdb.User{UID: 4321, Home: "/"}},
		{"4321:4322", userdb.User{UID: 4321, GID: 4322, Home: "/"}},
		{"homeless", userdb.User{UID: 500, GID: 500, Home: "/"}},
		{"relative", userdb.User{UID: 501, GID: 501, Home: "/"}},
	}
	for _, tt := range tests {
		got, err := userdb.Lookup(passwd, groups, tt.spec)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("user %q = %+v, %v; want %+v", tt.spec, got, err, tt.want)
		}
	}
}

func TestLookupWithoutFiles(t *testing.T) {
	t.Parallel()
	got, err := userdb.Lookup("", "", "")
	if want := (userdb.User{Home: "/"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("root = %+v, %v; want %+v", got, err, want)
	}
}

func TestLookupFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ spec, word string }{
		{"nobody", `no user "nobody"`},
		{"broken", "no user"},
		{"negative", "no user"},
		{"huge", "no user"},
		{"+nis", "no user"},
		{"4294967295", "no user"},
		{"-1", "no user"},
		{"app:nogroup", `no group "nogroup"`},
		{"app:bad", "no group"},
		{"app:video:more", "no group"},
		{strings.Repeat("x", 1000), "…"},
	} {
		if u, err := userdb.Lookup(passwd, groups, tt.spec); err == nil {
			t.Errorf("user %q = %+v", tt.spec, u)
		} else if !strings.Contains(err.Error(), tt.word) || len(err.Error()) > 200 {
			t.Errorf("user %q: error %q does not say %q in few words", tt.spec, err, tt.word)
		}
	}
}

// Whatever the files say, the ids are ones that a process can have, and the home is absolute.
func FuzzLookup(f *testing.F) {
	f.Add(passwd, groups, "app")
	f.Add("a:x:1:1", "a:x:1:a", "a:a")
	f.Add(":::\n", ":::\n", "")
	f.Add("a\x00:x:1:1:::\r\n", "g:x:2:a\x00", "a\x00")
	f.Fuzz(func(t *testing.T, passwd, groups, spec string) {
		u, err := userdb.Lookup(passwd, groups, spec)
		if err != nil {
			if !reflect.DeepEqual(u, userdb.User{}) {
				t.Errorf("error %v comes with user %+v", err, u)
			}
			return
		}
		const most = 1<<31 - 1
		if u.UID > most || u.GID > most || !strings.HasPrefix(u.Home, "/") {
			t.Errorf("user = %+v", u)
		}
		for i, g := range u.Groups {
			if g > most || g == u.GID || i > 0 && u.Groups[i-1] >= g {
				t.Errorf("groups = %v", u.Groups)
			}
		}
	})
}
