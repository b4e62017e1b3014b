package natsconn_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/nex-engine/nex/internal/natsconn"
)

// parse is what a command line makes of the settings.
func parse(t *testing.T, args ...string) natsconn.Settings {
	t.Helper()
	var cli struct {
		natsconn.Settings
	}
	p, err := kong.New(&cli)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Parse(args); err != nil {
		t.Fatal(err)
	}
	return cli.Settings
}

func TestFlags(t *testing.T) {
	got := parse(t, "-s", "s", "--user=u", "--password=p", "--token=t", "--creds=c", "--nkey=n", "--jwt=j", "--seed=e",
		"--tlscert=tc", "--tlskey=tk", "--tlsca=ta", "--tlsfirst", "--timeout=1s", "--context=x", "--no-context",
		"--connection-name=cn", "--js-domain=d", "--inbox-prefix=i", "--socks-proxy=sp")
	want := natsconn.Settings{
		Server: "s", User: "u", Password: "p", Token: "t", Creds: "c", NKey: "n", UserJWT: "j", UserSeed: "e",
		TLSCert: "tc", TLSKey: "tk", TLSCA: "ta", TLSFirst: true, Timeout: time.Second, Context: "x", NoContext: true,
		ConnName: "cn", JSDomain: "d", InboxPrefix: "i", SocksProxy: "sp",
	}
	if got != want {
		t.Errorf("settings = %+v\n    want = %+v", got, want)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[natsconn.Settings]()) {
		if f.IsExported() && reflect.ValueOf(want).FieldByIndex(f.Index).IsZero() {
			t.Errorf("%s has no flag in this test", f.Name)
		}
	}
	if got := parse(t, "--conn-name=a", "--jsdomain=b"); got.ConnName != "a" || got.JSDomain != "b" {
		t.Errorf("aliases are not understood: %+v", got)
	}
}

func TestEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"NATS_URL": "s", "NATS_USER": "u", "NATS_PASSWORD": "p", "NATS_TOKEN": "t", "NATS_CREDS": "c", "NATS_NKEY": "n",
		"NATS_JWT": "j", "NATS_SEED": "e", "NATS_CERT": "tc", "NATS_KEY": "tk", "NATS_CA": "ta", "NATS_TLS_FIRST": "true",
		"NATS_TIMEOUT": "2s", "NATS_CONTEXT": "x", "NATS_SOCKS_PROXY": "sp", "NATS_JS_DOMAIN": "d",
	} {
		t.Setenv(name, value)
	}
	want := natsconn.Settings{
		Server: "s", User: "u", Password: "p", Token: "t", Creds: "c", NKey: "n", UserJWT: "j", UserSeed: "e",
		TLSCert: "tc", TLSKey: "tk", TLSCA: "ta", TLSFirst: true, Timeout: 2 * time.Second, Context: "x", SocksProxy: "sp", JSDomain: "d",
	}
	if got := parse(t); got != want {
		t.Errorf("settings = %+v\n    want = %+v", got, want)
	}
	if got := parse(t, "--server=flag").Server; got != "flag" {
		t.Errorf("server = %q, want the flag to beat the environment", got)
	}
}

func TestExplicit(t *testing.T) {
	for _, name := range []string{"NATS_URL", "NATS_USER", "NATS_CREDS", "NATS_CONTEXT"} {
		t.Setenv(name, "")
	}
	for _, tt := range []struct {
		args []string
		want bool
	}{
		{nil, false},
		{[]string{"--timeout=1s", "--tlsca=f", "--tlsfirst", "--connection-name=n", "--js-domain=d", "--no-context"}, false},
		{[]string{"--server=s"}, true},
		{[]string{"--context=c"}, true},
		{[]string{"--user=u"}, true},
		{[]string{"--password=p"}, true},
		{[]string{"--token=t"}, true},
		{[]string{"--creds=f"}, true},
		{[]string{"--nkey=f"}, true},
		{[]string{"--jwt=j"}, true},
		{[]string{"--tlscert=f"}, true},
	} {
		if got := parse(t, tt.args...).Explicit(); got != tt.want {
			t.Errorf("explicit with %v = %v, want %v", tt.args, got, tt.want)
		}
	}
}
