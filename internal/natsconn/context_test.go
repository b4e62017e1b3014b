package natsconn_test

import (
	"os"
	"path/filepath"
	"testing"

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
