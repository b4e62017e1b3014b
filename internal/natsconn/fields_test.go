package natsconn_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natsconn/conntest"
	"github.com/nex-engine/nex/internal/natstest"
)

// What is wrong with servers is said in one sentence, wherever they are named, and without a word of theirs.
func TestOneSentenceForServers(t *testing.T) {
	t.Parallel()
	const unescaped = "an @ comes after its host: if that is in a user, password or token, write / as %2F, ? as %3F, # as %23 and @ as %40 there"
	for _, tt := range []struct{ list, want string }{
		{"nats://s3cret/abc@localhost:4222", unescaped},
		{"s3cret/abc@localhost", unescaped},
		{"nats://u:123/4x@h", unescaped},
		{"s3c?ret@h", unescaped},
		{"nats://a, s3c#ret@h", unescaped},
		{"", "it names no host"},
		{"nats://", "it names no host"},
		{"nats://u:s3cret@", "it names no host"},
		{"nats://a,,b", "it names no host"},
		{"ftp://u:s3cret@h", "scheme ftp is none of nats, tls, ws, wss"},
		{"nats://a, http://b", "scheme http is none of nats, tls, ws, wss"},
		{"nats://h:0", "its port is none from 1 to 65535"},
		{"h:70000", "its port is none from 1 to 65535"},
		{"nats://u:s3c/ret@h", "invalid port"},
		{"nats://u:s3%cret@h", "invalid URL escape"},
		{"nats://h%zz/s3cret", "invalid URL escape"},
		{"nats://h/\x7fs3cret", "net/url: invalid control character in URL"},
	} {
		text := "is not a NATS URL (" + tt.want + "): write nats://host:port"
		if err := natsconn.CheckServers("--trigger_url", tt.list); err == nil || err.Error() != "--trigger_url "+text {
			t.Errorf("%q: %v, want %q", tt.list, err, text)
		}
		if tt.list == "" {
			continue // which is no setting, elsewhere
		}
		fails(t, natsconn.Settings{Server: tt.list, NoContext: true}, "--server "+text)
		fails(t, natsconn.Of("host_services", nex.Connection{URL: tt.list}), "host_services.nats_url "+text)
		got := natsconn.Of("host_services", nex.Connection{URL: tt.list}).Problems()
		if want := (natsconn.Problem{Setting: "host_services.nats_url", Text: text}); len(got) != 1 || got[0] != want {
			t.Errorf("%q in a request: %v, want %v", tt.list, got, want)
		}
	}
	for _, good := range []string{"h", "h:1", "nats://u:p@h", "tls://[::1]:65535", "ws://h/path, wss://h", "a,b , c", "nats://s3c%2Fr%3Fe%23t%40@h", "ws://h/%40"} {
		if err := natsconn.CheckServers("--server", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestWithoutUser(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"h":                       "nats://h",
		"nats://u:s3cret@h:1":     "nats://h:1",
		"nats://t0ken@h, ws://h/": "nats://h, ws://h",
		"nats://u:s3c/ret@h,a":    "(malformed URL), nats://a",
		"s3cret/1@h, wss://h/a?b": "(malformed URL), wss://h",
		"t%2F0@[fe80::1%25x]:1":   "nats://[fe80::1%25x]:1",
	} {
		if got := natsconn.WithoutUser(list); got != want {
			t.Errorf("WithoutUser(%q) = %q, want %q", list, got, want)
		}
	}
}

// A password may have commas in it, which the client shows as they are.
func TestConnectedURL(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"1,2", "pa,ss", "a/b?c#d@e", "p"} {
		s := natstest.Run(t, func(o *server.Options) { o.JetStream, o.Username, o.Password = false, "u", password })
		nc := connects(t, natsconn.Settings{Server: strings.Replace(s.ClientURL(), "//", "//u:"+url.QueryEscape(password)+"@", 1), NoContext: true})
		if got := natsconn.ConnectedURL(nc); got != s.ClientURL() {
			t.Errorf("with password %q at %q, want %s", password, got, s.ClientURL())
		}
		nc.Close()
		if got := natsconn.ConnectedURL(nc); got != "" {
			t.Errorf("closed at %q", got)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	user, account := seedOf(t, nkeys.CreateUser), seedOf(t, nkeys.CreateAccount)
	for _, tt := range []struct {
		name string
		c    nex.Connection
		want []string
	}{
		{"nothing", nex.Connection{}, nil},
		{"a server", nex.Connection{URL: "h"}, nil},
		{"all", nex.Connection{URL: "h", UserJWT: "j", UserSeed: user}, nil},
		{"no seed", nex.Connection{URL: "h", UserJWT: "j"}, []string{"f.nats_user_jwt needs f.nats_user_seed, which is not given"}},
		{"no JWT", nex.Connection{URL: "h", UserSeed: user}, []string{"f.nats_user_seed needs f.nats_user_jwt, which is not given"}},
		{"no server", nex.Connection{UserJWT: "j", UserSeed: user}, []string{"f.nats_user_jwt needs f.nats_url, which is not given"}},
		{"several", nex.Connection{URL: "x://h", UserJWT: "j", UserSeed: account}, []string{
			"f.nats_url is not a NATS URL (scheme x is none of nats, tls, ws, wss): write nats://host:port",
			"f.nats_user_seed is not the seed of a user nkey, which begins with SU: give that of the user in f.nats_user_jwt",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range natsconn.Of("f", tt.c).Problems() {
				got = append(got, p.Error())
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("problems = %q\n    want = %q", got, tt.want)
			}
		})
	}
}

func seedOf(t *testing.T, create func() (nkeys.KeyPair, error)) string {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}

func TestReadCreds(t *testing.T) {
	t.Parallel()
	file := conntest.NewOperator(t).Creds(t)
	token, seed, err := natsconn.ReadCreds("--trigger_creds", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwt.DecodeUserClaims(token); err != nil || !strings.HasPrefix(seed, "SU") {
		t.Errorf("%s holds %.8s and %.2s: %v", file, token, seed, err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.creds")
	account, err := jwt.DecorateSeed([]byte(seedOf(t, nkeys.CreateAccount)))
	if err != nil {
		t.Fatal(err)
	}
	content, err := jwt.DecorateJWT(token)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(wrong, append(content, account...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = natsconn.ReadCreds("--trigger_creds", wrong)
	want := "the credentials file " + wrong + " cannot be used (its seed is not that of a user, which begins with SU): change --trigger_creds"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v\n want = %s", err, want)
	}
	if _, _, err := natsconn.ReadCreds("--trigger_creds", wrong+"x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a file that is not there: %v", err)
	}
}

// What a request or a configuration brings along is named as it is there, never by a flag.
func TestFieldsAreNamed(t *testing.T) {
	t.Parallel()
	o := conntest.NewOperator(t)
	url := run(t, operatorConfig(o))
	files := conntest.Certificates(t, "127.0.0.1")
	secure := run(t, fmt.Sprintf("tls { cert_file: '%s', key_file: '%s', timeout: 1 }", files.Cert, files.Key))
	creds := func(edit ...func(*jwt.UserClaims)) nex.Connection {
		token, seed, err := natsconn.ReadCreds("", o.Creds(t, edit...))
		if err != nil {
			t.Fatal(err)
		}
		return nex.Connection{URL: url, UserJWT: token, UserSeed: seed}
	}
	connects(t, natsconn.Of("f", creds()))
	another := creds()
	another.UserSeed = seedOf(t, nkeys.CreateUser)
	expiry := time.Now().Add(-time.Minute)
	expired := creds(func(c *jwt.UserClaims) { c.Expires = expiry.Unix() })
	silent := listen(t, func(net.Conn) {})
	for _, tt := range []struct {
		name string
		c    nex.Connection
		want string
	}{
		{"nobody there", nex.Connection{URL: "nats://127.0.0.1:1"}, "no NATS server at nats://127.0.0.1:1: check f.nats_url"},
		{"silent", nex.Connection{URL: silent}, "the NATS server at " + silent + " does not answer within 200ms: check f.nats_url"},
		{"no credentials", nex.Connection{URL: url}, "the NATS server at " + url + " wants credentials: give f.nats_user_jwt and f.nats_user_seed"},
		{"another's seed", another, "the NATS server at " + url + " refuses the user JWT: check f.nats_user_jwt and f.nats_user_seed"},
		{"expired", expired, "the NATS server at " + url + " refuses the user JWT, which expired at " + expiry.UTC().Format(time.RFC3339) +
			": get new ones and change f.nats_user_jwt and f.nats_user_seed"},
		{"unknown authority", nex.Connection{URL: secure}, "the certificate of the NATS server at " + secure + " is of an authority that is not trusted here: make the node's machine trust it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := natsconn.Of("f", tt.c)
			s.Timeout = 200 * time.Millisecond
			if tt.name != "silent" {
				s.Timeout = within
			}
			fails(t, s, tt.want)
		})
	}
}
