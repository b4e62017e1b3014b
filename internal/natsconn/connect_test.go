package natsconn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natsconn/conntest"
	"github.com/nex-engine/nex/internal/natstest"
)

const within = 10 * time.Second

// run starts a server with a piece of configuration and returns its URL.
func run(t *testing.T, config string) string {
	t.Helper()
	s := natstest.Run(t, func(o *server.Options) {
		o.JetStream = false
		if err := o.ProcessConfigString(config); err != nil {
			t.Fatalf("configure: %v", err)
		}
	})
	return s.ClientURL()
}

func connects(t *testing.T, s natsconn.Settings, extra ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := s.Connect(t.Context(), extra...)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(nc.Close)
	if err := nc.Flush(); err != nil {
		t.Errorf("flush: %v", err)
	}
	return nc
}

// fails checks that Connect fails with that one sentence.
func fails(t *testing.T, s natsconn.Settings, want string) error {
	t.Helper()
	nc, err := s.Connect(t.Context())
	if err == nil {
		nc.Close()
		t.Fatalf("connected, want %q", want)
	}
	if err.Error() != want {
		t.Errorf("error = %q\n    want = %q", err, want)
	}
	return err
}

func TestConnect(t *testing.T) {
	t.Parallel()
	nkey, public := conntest.NKey(t)
	url := run(t, `
		authorization { users: [ { user: u, password: p }, { nkey: `+public+` } ] }`)
	tokenURL := run(t, "authorization { token: t }")
	o := conntest.NewOperator(t)
	operatorURL := run(t, operatorConfig(o))
	plainURL := run(t, "port: -1")
	for name, s := range map[string]natsconn.Settings{
		"nothing demanded":    {Server: plainURL},
		"without scheme":      {Server: strings.TrimPrefix(plainURL, "nats://")},
		"several servers":     {Server: "nats://127.0.0.1:1, " + plainURL},
		"user and password":   {Server: url, User: "u", Password: "p"},
		"in the URL":          {Server: strings.Replace(url, "//", "//u:p@", 1)},
		"nkey":                {Server: url, NKey: nkey},
		"token":               {Server: tokenURL, Token: "t"},
		"user for a token":    {Server: tokenURL, User: "t"},
		"credentials file":    {Server: operatorURL, Creds: o.Creds(t)},
		"name and no context": {Server: plainURL, NoContext: true, ConnName: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connects(t, s)
		})
	}
}

func operatorConfig(o *conntest.Operator) string {
	return fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload { %s: %s }", o.JWT, o.AccountID, o.AccountJWT)
}

func TestConnectionName(t *testing.T) {
	t.Parallel()
	url := run(t, "port: -1")
	for given, want := range map[string]string{"": "nex", "mine": "mine"} {
		if got := connects(t, natsconn.Settings{Server: url, ConnName: given}).Opts.Name; got != want {
			t.Errorf("name = %q, want %q", got, want)
		}
	}
	if got := connects(t, natsconn.Settings{Server: url}, nats.Name("extra")).Opts.Name; got != "extra" {
		t.Errorf("name = %q, want the extra option's", got)
	}
}

func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	nkey, _ := conntest.NKey(t)
	url := run(t, "authorization { user: u, password: p }")
	at := "the NATS server at " + url
	o, other := conntest.NewOperator(t), conntest.NewOperator(t)
	operatorURL := run(t, operatorConfig(o))
	expiry := time.Now().Add(-time.Hour)
	foreign, expired := other.Creds(t), o.Creds(t, func(c *jwt.UserClaims) { c.Expires = expiry.Unix() })
	for _, tt := range []struct {
		name string
		s    natsconn.Settings
		want string
	}{
		{"none", natsconn.Settings{Server: url}, at + " wants credentials: give --user and --password, --creds or --nkey, or a --context that has them"},
		{"wrong password", natsconn.Settings{Server: url, User: "u", Password: "s3cret"}, at + ` refuses user "u" with this password: check --user and --password`},
		{"wrong token", natsconn.Settings{Server: url, Token: "s3cret"}, at + " refuses the token: check --token or --user"},
		{"wrong in the URL", natsconn.Settings{Server: strings.Replace(url, "//", "//u:s3cret@", 1)}, at + " refuses the user or token in the URL: check --server"},
		{"foreign credentials", natsconn.Settings{Server: operatorURL, Creds: foreign}, "the NATS server at " + operatorURL + " refuses the credentials in " + foreign + ": check --creds"},
		{"expired credentials", natsconn.Settings{Server: operatorURL, Creds: expired}, "the NATS server at " + operatorURL + " refuses the credentials in " + expired + ", which expired at " + expiry.UTC().Format(time.RFC3339) + ": get new ones and change --creds"},
		{"nkey where there are none", natsconn.Settings{Server: url, NKey: nkey}, at + " has no nkey users: leave --nkey away"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := fails(t, tt.s, tt.want)
			if strings.Contains(err.Error(), "s3cret") {
				t.Error("the error shows a secret")
			}
			if tt.s.NKey == "" && !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("%v does not wrap %v", err, nats.ErrAuthorization)
			}
		})
	}
}

func TestWrongNKey(t *testing.T) {
	t.Parallel()
	_, public := conntest.NKey(t)
	other, _ := conntest.NKey(t)
	url := run(t, "authorization { users: [ { nkey: "+public+" } ] }")
	fails(t, natsconn.Settings{Server: url, NKey: other},
		"the NATS server at "+url+" refuses the nkey in "+other+": check --nkey")
}

func TestUnusableFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, nonsense := filepath.Join(dir, "missing"), filepath.Join(dir, "nonsense")
	if err := os.WriteFile(nonsense, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	nkey, _ := conntest.NKey(t)
	files := conntest.Certificates(t, "127.0.0.1")
	for _, tt := range []struct {
		name string
		s    natsconn.Settings
		want string
	}{
		{"missing creds", natsconn.Settings{Creds: missing}, "the credentials file " + missing + " cannot be used (no such file or directory): change --creds"},
		{"a directory", natsconn.Settings{Creds: dir}, "the credentials file " + dir + " cannot be used (is a directory): change --creds"},
		{"creds without JWT", natsconn.Settings{Creds: nonsense}, "the credentials file " + nonsense + " cannot be used (it holds no user JWT): change --creds"},
		{"a seed for creds", natsconn.Settings{Creds: nkey}, "the credentials file " + nkey + " cannot be used (it holds no user JWT): change --creds"},
		{"missing nkey", natsconn.Settings{NKey: missing}, "the nkey file " + missing + " cannot be used (no such file or directory): change --nkey"},
		{"nkey without seed", natsconn.Settings{NKey: nonsense}, "the nkey file " + nonsense + " cannot be used (it holds no nkey seed): change --nkey"},
		{"missing certificate", natsconn.Settings{TLSCert: missing, TLSKey: files.Key}, "the TLS certificate " + missing + " cannot be used (no such file or directory): change --tlscert"},
		{"certificate without key", natsconn.Settings{TLSCert: files.Cert}, "--tlscert and --tlskey go together: give both"},
		{"key without certificate", natsconn.Settings{TLSKey: files.Key}, "--tlscert and --tlskey go together: give both"},
		{"no pair", natsconn.Settings{TLSCert: files.Cert, TLSKey: files.ClientKey}, "the TLS certificate " + files.Cert + " and key " + files.ClientKey +
			" do not make a pair (error loading client certificate: tls: private key does not match public key): change --tlscert and --tlskey"},
		{"missing authority", natsconn.Settings{TLSCA: missing}, "the TLS authority " + missing + " cannot be used (no such file or directory): change --tlsca"},
		{"authority without certificate", natsconn.Settings{TLSCA: nonsense}, "the TLS authority " + nonsense + " holds no certificate: change --tlsca"},
		{"scheme", natsconn.Settings{Server: "http://h"}, "--server is not a NATS URL (scheme http is none of nats, tls, ws, wss): write nats://host:port"},
		{"port", natsconn.Settings{Server: "nats://u:s3cret@h:port"}, `--server is not a NATS URL (invalid port): write nats://host:port`},
		{"no host", natsconn.Settings{Server: "nats://:4222"}, "--server is not a NATS URL (it names no host): write nats://host:port"},
		{"both contexts", natsconn.Settings{Context: "c", NoContext: true}, "--context and --no-context contradict each other: leave one away"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fails(t, tt.s, tt.want)
		})
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	url := "nats://127.0.0.1:1"
	err := fails(t, natsconn.Settings{Server: url}, "no NATS server at "+url+": start one with nex up, or name one with --server")
	if !errors.Is(err, nats.ErrNoServers) {
		t.Errorf("%v does not wrap %v", err, nats.ErrNoServers)
	}
	fails(t, natsconn.Settings{Server: "nats://user:s3cret@127.0.0.1:1,127.0.0.1:2"},
		"no NATS server at nats://127.0.0.1:1, nats://127.0.0.1:2: start one with nex up, or name one with --server")
}

func TestNotANATSServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		serve func(net.Conn)
		want  string
	}{
		{"silent", func(net.Conn) {}, "the NATS server at %s does not answer within 200ms: check --server, or allow more with --timeout; if it wants TLS before its greeting, use --tlsfirst"},
		{"closes", func(c net.Conn) { _ = c.Close() }, "the NATS server at %s closes the connection: check --server; if it wants TLS before its greeting, use --tlsfirst"},
		{"another protocol", func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, "what listens at %s is no NATS server: check --server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := listen(t, tt.serve)
			fails(t, natsconn.Settings{Server: url, Timeout: 200 * time.Millisecond}, fmt.Sprintf(tt.want, url))
		})
	}
}

func TestInboxPrefix(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"a b", "a.>", "*", "a.", ".a", "a..b"} {
		fails(t, natsconn.Settings{Server: "127.0.0.1:1", InboxPrefix: p},
			fmt.Sprintf("--inbox-prefix has %q, which no subject can begin with: give words with dots between, such as _INBOX_me", p))
	}
}

// A port for other clients has no WebSockets.
func TestNoWebSocket(t *testing.T) {
	t.Parallel()
	at := strings.TrimPrefix(listen(t, func(c net.Conn) { _, _ = c.Write([]byte("INFO {\"server_id\":\"N\"}\r\n")) }), "nats://")
	fails(t, natsconn.Settings{Server: "ws://" + at}, "what listens at ws://"+at+" has no WebSockets: give the port that has with --server, or use nats://")
	fails(t, natsconn.Settings{Server: "wss://" + at}, "what listens at wss://"+at+" has no TLS: use ws:// with --server if it has WebSockets, or nats://")
}

// listen hands connections to serve until the end of the test.
func listen(t *testing.T, serve func(net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
			serve(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return "nats://" + l.Addr().String()
}

func TestContextEndsConnecting(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	url := listen(t, func(net.Conn) { cancel() }) // the client waits for a greeting then
	began := time.Now()
	_, err := natsconn.Settings{Server: url, Timeout: time.Minute}.Connect(ctx)
	if want := "connect to NATS at " + url + ": context canceled"; err == nil || err.Error() != want || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %q", err, want)
	}
	if took := time.Since(began); took > within {
		t.Errorf("it took %v", took)
	}
	if _, err := (natsconn.Settings{Server: url}).Connect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// The context of Connect must not end the connection, and a connection comes back by itself.
func TestConnectionOutlivesContextAndServer(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	url := s.ClientURL()
	port := s.Addr().(*net.TCPAddr).Port
	ctx, cancel := context.WithCancel(t.Context())
	var out lockedBuffer
	back := make(chan struct{}, 1)
	extra := append(natsconn.Settings{}.LongLived(slog.New(slog.NewTextHandler(&out, nil))), func(o *nats.Options) error {
		logs := o.ReconnectedCB
		o.ReconnectedCB = func(nc *nats.Conn) { logs(nc); back <- struct{}{} }
		return nil
	})
	nc, err := natsconn.Settings{Server: url}.Connect(ctx, extra...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	cancel()
	if err := nc.Flush(); err != nil {
		t.Fatalf("the connection ended with the context: %v", err)
	}
	s.Shutdown()
	s.WaitForShutdown()
	natstest.Run(t, func(o *server.Options) { o.Port = port })
	select {
	case <-back:
	case <-time.After(within):
		t.Fatal("the connection does not come back")
	}
	for _, want := range []string{"lost the NATS connection", "NATS connection is back"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("log = %s, want %q", out.String(), want)
		}
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
