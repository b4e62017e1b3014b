package natsconn_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jsm.go/natscontext"
	"github.com/nats-io/nats-server/v2/server"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natsconn/conntest"
	"github.com/nex-engine/nex/internal/natstest"
)

// contexts gives the test a home for contexts of its own; such a test cannot be parallel.
func contexts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	return filepath.Join(dir, "nats", "context")
}

func save(t *testing.T, name string, selected bool, opts ...natscontext.Option) {
	t.Helper()
	c, err := natscontext.New(name, false, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Save(name); err != nil {
		t.Fatal(err)
	}
	if selected {
		if err := natscontext.SelectContext(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestContexts(t *testing.T) {
	dir := contexts(t)
	nkey, public := conntest.NKey(t)
	url := run(t, "authorization { users: [ { user: u, password: p }, { user: v, password: q }, { nkey: "+public+" } ] }")
	open := run(t, "port: -1")
	save(t, "named", false, natscontext.WithServerURL(url), natscontext.WithUser("u"), natscontext.WithPassword("p"))
	save(t, "wrong", true, natscontext.WithServerURL("nats://127.0.0.1:1"), natscontext.WithUser("u"), natscontext.WithPassword("no"))
	file := filepath.Join(dir, "named.json")

	for name, s := range map[string]natsconn.Settings{
		"named":                               {Context: "named"},
		"file":                                {Context: file},
		"selected, with another server":       {Server: url, Password: "p"},
		"user replaces the context's":         {Context: "named", User: "v", Password: "q"},
		"nkey replaces the context's user":    {Context: "named", NKey: nkey},
		"nkey replaces the selected one's":    {Server: url, NKey: nkey},
		"none, though one is selected":        {Server: open, NoContext: true},
		"credentials without the selected":    {Server: url, User: "v", Password: "q", NoContext: true},
		"server of the flag, user of context": {Context: "named", Server: url},
		"of a configuration":                  natsconn.Of("host_services", nex.Connection{}).WithContext(file),
	} {
		t.Run(name, func(t *testing.T) { connects(t, s) })
	}

	t.Run("selected", func(t *testing.T) {
		fails(t, natsconn.Settings{}, "no NATS server at nats://127.0.0.1:1: start one with nex up, or name one with --server")
	})
	t.Run("wrong user in the selected one", func(t *testing.T) {
		fails(t, natsconn.Settings{Server: url}, "the NATS server at "+url+` refuses user "u" with this password: check the NATS context "wrong"`)
	})
	t.Run("URL", func(t *testing.T) {
		for want, s := range map[string]natsconn.Settings{
			"nats://127.0.0.1:1":    {},
			url:                     {Context: "named"},
			"nats://127.0.0.1:4222": {NoContext: true},
			"nats://h:1, tls://i":   {Server: "u:p@h:1,tls://token@i"},
		} {
			if got, err := s.URL(); err != nil || got != want {
				t.Errorf("URL of %+v = %s, %v; want %s", s, got, err, want)
			}
		}
	})
}

func TestContextProblems(t *testing.T) {
	dir := contexts(t)
	save(t, "c", true, natscontext.WithCreds("/no/such.creds"))
	fails(t, natsconn.Settings{Context: "missing"}, `unknown NATS context "missing": see nats context ls, and change --context or NATS_CONTEXT`)
	fails(t, natsconn.Settings{Context: "../c"}, `unknown NATS context "../c": see nats context ls, and change --context or NATS_CONTEXT`)
	fails(t, natsconn.Of("host_services", nex.Connection{}).WithContext("missing"), `unknown NATS context "missing": see nats context ls, and change host_services.nats_context`)
	fails(t, natsconn.Settings{}, `the credentials file /no/such.creds cannot be used (no such file or directory): change the NATS context "c"`)

	if err := os.WriteFile(filepath.Join(dir, "broken.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, natsconn.Settings{Context: "broken"}, `cannot load the NATS context "broken" (unexpected end of JSON input): mend it, or change --context or NATS_CONTEXT`)
	if err := natscontext.SelectContext("broken"); err != nil {
		t.Fatal(err)
	}
	fails(t, natsconn.Settings{}, `cannot load the selected NATS context "broken" (unexpected end of JSON input): mend it with nats context edit, or use --no-context`)
	if err := os.Remove(filepath.Join(dir, "broken.json")); err != nil {
		t.Fatal(err)
	}
	fails(t, natsconn.Settings{}, `the selected NATS context "broken" does not exist: select another with nats context select, or use --no-context`)
}

// What a context supplies for a field is mended in the context.
func TestContextOfField(t *testing.T) {
	contexts(t)
	files := conntest.Certificates(t, "127.0.0.1")
	config := func(more string) string {
		return fmt.Sprintf("tls { cert_file: '%s', key_file: '%s', ca_file: '%s', timeout: 1, %s }", files.Cert, files.Key, files.CA, more)
	}
	password := run(t, "authorization { user: u, password: p }")
	plain, secure, first, verify := run(t, "port: -1"), run(t, config("")), run(t, config("handshake_first: true")), run(t, config("verify: true"))
	silent := listen(t, func(net.Conn) {})
	o := conntest.NewOperator(t)
	token, seed, err := natsconn.ReadCreds("", o.Creds(t))
	if err != nil {
		t.Fatal(err)
	}
	operator := run(t, operatorConfig(conntest.NewOperator(t)))
	ca := natscontext.WithCA(files.CA)
	for _, tt := range []struct {
		name   string
		c      nex.Connection
		server string // of the context
		opts   []natscontext.Option
		want   string
	}{
		{"nobody", nex.Connection{}, "nats://127.0.0.1:1", nil, `no NATS server at nats://127.0.0.1:1: check the NATS context "c"`},
		{"the field's server", nex.Connection{URL: "nats://127.0.0.1:1"}, plain, nil, "no NATS server at nats://127.0.0.1:1: check f.nats_url"},
		{"silent", nex.Connection{}, silent, nil, "the NATS server at " + silent + ` does not answer within 300ms: check the NATS context "c"; if it wants TLS before its greeting, set tls_first in the NATS context "c"`},
		{"no user", nex.Connection{}, password, nil, "the NATS server at " + password + ` wants credentials: give f.nats_user_jwt and f.nats_user_seed, or a user in the NATS context "c"`},
		{"its JWT", nex.Connection{}, operator, []natscontext.Option{natscontext.WithUserJWT(token), natscontext.WithUserSeed(seed)}, "the NATS server at " + operator + ` refuses the user JWT: check the NATS context "c"`},
		{"the field's JWT", nex.Connection{UserJWT: token, UserSeed: seed}, operator, nil, "the NATS server at " + operator + " refuses the user JWT: check f.nats_user_jwt and f.nats_user_seed"},
		{"unknown authority", nex.Connection{}, secure, nil, "the certificate of the NATS server at " + secure + ` is of an authority that is not trusted here: name it as ca in the NATS context "c"`},
		{"no TLS", nex.Connection{}, plain, []natscontext.Option{ca}, "the NATS server at " + plain + ` has no TLS: leave cert, ca and tls_first away in the NATS context "c", and use nats://`},
		{"no TLS first", nex.Connection{}, secure, []natscontext.Option{ca, natscontext.WithTLSHandshakeFirst()}, "the NATS server at " + secure + ` does not begin with TLS: leave tls_first away in the NATS context "c"`},
		{"TLS first not used", nex.Connection{}, first, []natscontext.Option{ca}, "the NATS server at " + first + ` does not answer within 300ms: check the NATS context "c"; if it wants TLS before its greeting, set tls_first in the NATS context "c"`},
		{"no certificate", nex.Connection{}, verify, []natscontext.Option{ca}, "the NATS server at " + verify + ` wants a client certificate: give cert and key in the NATS context "c"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			save(t, "c", false, append(tt.opts, natscontext.WithServerURL(tt.server))...)
			s := natsconn.Of("f", tt.c).WithContext("c")
			s.Timeout = within
			if strings.Contains(tt.want, "300ms") {
				s.Timeout = 300 * time.Millisecond
			}
			fails(t, s, tt.want)
		})
	}
}

func TestJetStreamPlace(t *testing.T) {
	contexts(t)
	save(t, "domain", false, natscontext.WithJSDomain("hub"), natscontext.WithJSAPIPrefix("other.API"))
	save(t, "prefix", false, natscontext.WithJSAPIPrefix("other.API."))
	save(t, "domain's prefix", false, natscontext.WithJSAPIPrefix("$JS.hub.API"))
	save(t, "usual prefix", false, natscontext.WithJSAPIPrefix("$JS.API"))
	hub, own := natsconn.JetStreamPlace{Domain: "hub"}, natsconn.JetStreamPlace{}
	for _, tt := range []struct {
		s         natsconn.Settings
		want      natsconn.JetStreamPlace
		api, keys string
	}{
		{natsconn.Settings{NoContext: true}, own, "$JS.API.", "$KV."},
		{natsconn.Settings{NoContext: true, JSDomain: "hub"}, hub, "$JS.hub.API.", "$JS.hub.API.$KV."},
		{natsconn.Settings{Context: "domain"}, hub, "$JS.hub.API.", "$JS.hub.API.$KV."},
		{natsconn.Settings{Context: "domain", JSDomain: "edge", User: "u"}, natsconn.JetStreamPlace{Domain: "edge"}, "$JS.edge.API.", "$JS.edge.API.$KV."},
		{natsconn.Settings{Context: "prefix", JSDomain: "hub"}, hub, "$JS.hub.API.", "$JS.hub.API.$KV."},
		{natsconn.Settings{Context: "prefix"}, natsconn.JetStreamPlace{APIPrefix: "other.API"}, "other.API.", "other.API.$KV."},
		{natsconn.Settings{Context: "domain's prefix"}, hub, "$JS.hub.API.", "$JS.hub.API.$KV."},
		{natsconn.Settings{Context: "usual prefix"}, own, "$JS.API.", "$KV."},
		{natsconn.Of("f", nex.Connection{}).WithContext("domain"), hub, "$JS.hub.API.", "$JS.hub.API.$KV."},
	} {
		got, err := tt.s.JetStreamPlace()
		if err != nil || got != tt.want || got.API() != tt.api || got.KeyValues() != tt.keys {
			t.Errorf("of %+v: %+v with %s and %s, %v; want %+v with %s and %s", tt.s, got, got.API(), got.KeyValues(), err, tt.want, tt.api, tt.keys)
		}
	}
	if _, err := (natsconn.Settings{Context: "missing"}).JetStreamPlace(); err == nil {
		t.Error("a context that is missing is somewhere")
	}
}

func TestJetStreamDomain(t *testing.T) {
	contexts(t)
	s := natstest.Run(t, func(o *server.Options) { o.JetStreamDomain = "hub" })
	save(t, "domain", false, natscontext.WithServerURL(s.ClientURL()), natscontext.WithJSDomain("hub"))
	for name, settings := range map[string]natsconn.Settings{
		"none":    {Server: s.ClientURL()},
		"flag":    {Server: s.ClientURL(), JSDomain: "hub"},
		"context": {Context: "domain"},
	} {
		t.Run(name, func(t *testing.T) {
			js, err := settings.JetStream(connects(t, settings))
			if err != nil {
				t.Fatal(err)
			}
			if info, err := js.AccountInfo(t.Context()); err != nil || info.Domain != "hub" {
				t.Errorf("account info = %+v, %v; want domain hub", info, err)
			}
		})
	}
	wrong := natsconn.Settings{Server: s.ClientURL(), JSDomain: "elsewhere"}
	js, err := wrong.JetStream(connects(t, wrong))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AccountInfo(t.Context()); err == nil {
		t.Error("a domain that does not exist answers")
	}
}
