package embednats_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/natsconn/conntest"
)

func TestConfigFileTLS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, certified, listen, wantHost, more string
		opts                                    func(conntest.Files) []nats.Option
	}{
		{"address", "127.0.0.1", "127.0.0.1", "127.0.0.1", "", nil},
		{"name", "localhost", "127.0.0.1", "localhost", "", nil},
		{"all addresses", "localhost", "0.0.0.0", "localhost", "", nil},
		{"another name", "example.org", "127.0.0.1", "127.0.0.1", "", func(conntest.Files) []nats.Option {
			return []nats.Option{func(o *nats.Options) error { o.TLSConfig.ServerName = "example.org"; return nil }}
		}},
		{"client certificate", "localhost", "localhost", "localhost", "verify: true", func(f conntest.Files) []nats.Option {
			return []nats.Option{nats.ClientCert(f.ClientCert, f.ClientKey)}
		}},
		{"handshake first", "localhost", "localhost", "localhost", "handshake_first: true", func(conntest.Files) []nats.Option {
			return []nats.Option{nats.TLSHandshakeFirst()}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := conntest.Certificates(t, tt.certified)
			c := config(t, fmt.Sprintf("listen: '%s:-1'\ntls { cert_file: '%s', key_file: '%s', ca_file: '%s', %s }",
				tt.listen, files.Cert, files.Key, files.CA, tt.more))
			s := start(t, c)
			if !strings.HasPrefix(s.ClientURL(), "tls://"+tt.wantHost+":") {
				t.Errorf("URL = %s, want one of %s", s.ClientURL(), tt.wantHost)
			}
			opts := []nats.Option{nats.RootCAs(files.CA)}
			if tt.opts != nil {
				opts = append(opts, tt.opts(files)...)
			}
			cli := connect(t, s, append(opts, c.Control.Option())...)
			separated(t, s, connect(t, s, opts...), inProcess(t, s.WorkloadOptions))
			if !reaches(t, cli, inProcess(t, s.ControlOptions), "$NEX.PING") {
				t.Error("the control user does not reach the control account")
			}
			if _, err := nats.Connect(s.ClientURL(), quiet(), nats.Timeout(200*time.Millisecond)); err == nil {
				t.Error("connected without the server's authority")
			}
		})
	}
}

func TestConfigFileWebSocket(t *testing.T) {
	t.Parallel()
	s := start(t, config(t, "port: -1\nwebsocket { listen: '127.0.0.1:-1', no_tls: true }"))
	ws, _, _ := s.Ports()
	browser, err := nats.Connect("ws://127.0.0.1:"+ws, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer browser.Close()
	separated(t, s, browser)
	if !reaches(t, browser, connect(t, s), "a") {
		t.Error("a WebSocket client does not reach another client")
	}
}

func TestConfigFileCluster(t *testing.T) {
	t.Parallel()
	const file = "port: -1\nserver_name: s%d\ncluster { name: c, listen: '127.0.0.1:-1', routes: [%s] }"
	first := start(t, config(t, fmt.Sprintf(file, 1, "")))
	_, port, _ := first.Ports()
	second := start(t, config(t, fmt.Sprintf(file, 2, "'nats://127.0.0.1:"+port+"'")))
	// Clients of both servers find each other, and so do the control connections.
	eventually(t, connect(t, first), connect(t, second), "a")
	eventually(t, inProcess(t, first.ControlOptions), inProcess(t, second.ControlOptions), "$NEX.PING")
	separated(t, first, connect(t, second))
}

func TestConfigFileLeafNodes(t *testing.T) {
	t.Parallel()
	t.Run("open", func(t *testing.T) {
		t.Parallel()
		hub := start(t, config(t, "port: -1\nserver_name: hub\nleafnodes { listen: '127.0.0.1:-1' }"))
		_, _, port := hub.Ports()
		leaf := start(t, config(t, fmt.Sprintf("port: -1\nserver_name: leaf\nleafnodes { remotes: [ { url: 'nats://127.0.0.1:%s' } ] }", port)))
		eventually(t, connect(t, leaf), connect(t, hub), "a")
		separated(t, hub, connect(t, leaf))
	})
	t.Run("account", func(t *testing.T) {
		t.Parallel()
		hub := start(t, config(t, `
			port: -1
			accounts { A { users: [ { user: a, password: a } ] } }
			leafnodes { listen: '127.0.0.1:-1', authorization { user: l, password: l, account: A } }`))
		_, _, port := hub.Ports()
		leaf := start(t, config(t, fmt.Sprintf("port: -1\nleafnodes { remotes: [ { url: 'nats://l:l@127.0.0.1:%s' } ] }", port)))
		eventually(t, connect(t, leaf), connect(t, hub, nats.UserInfo("a", "a")), "a")
	})
	t.Run("account without user", func(t *testing.T) {
		t.Parallel()
		c := config(t, "port: -1\naccounts { A {} }\nleafnodes { listen: '127.0.0.1:-1', authorization { account: A } }")
		c.WorkloadAccount = "A"
		hub := start(t, c)
		_, _, port := hub.Ports()
		leaf := start(t, config(t, fmt.Sprintf("port: -1\nleafnodes { remotes: [ { url: 'nats://127.0.0.1:%s' } ] }", port)))
		eventually(t, connect(t, leaf), inProcess(t, hub.WorkloadOptions), "a")
	})
}

func TestConfigFileBusyListeners(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for name, file := range map[string]string{
		"websocket":  "websocket { listen: '%s', no_tls: true }",
		"leafnodes":  "leafnodes { listen: '%s' }",
		"cluster":    "cluster { name: c, listen: '%s' }",
		"monitoring": "http: '%s'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(t, "port: -1\n"+fmt.Sprintf(file, l.Addr()))
			err := startFails(t, c)
			if !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), c.ConfigFile) {
				t.Errorf("error = %q, want one with the address and the file", err)
			}
		})
	}
}

func TestConfigFileOperator(t *testing.T) {
	t.Parallel()
	o := conntest.NewOperator(t)
	c := config(t, fmt.Sprintf("port: -1\njetstream: enabled\noperator: %s\nresolver: MEMORY\nresolver_preload { %s: %s, %s: %s }\nsystem_account: %s",
		o.JWT, o.AccountID, o.AccountJWT, o.SystemID, o.SystemJWT, o.SystemID))
	s := start(t, c)
	if s.ControlAccount() {
		t.Error("the server claims to have a control account")
	}
	want := c.ConfigFile + " trusts an operator, whose users nex cannot add to: give credentials of an account with --creds"
	for name, options := range map[string]func() ([]nats.Option, error){"control": s.ControlOptions, "workload": s.WorkloadOptions} {
		if _, err := options(); err == nil || err.Error() != want {
			t.Errorf("%s: error = %v, want %q", name, err, want)
		}
	}
	refused(t, s)
	refused(t, s, c.Control.Option())
	storesInJetStream(t, connect(t, s, nats.UserCredentials(o.Creds(t))))
	nc, err := nats.Connect("", s.InProcess(), quiet(), nats.UserCredentials(o.Creds(t)))
	if err != nil {
		t.Fatalf("connect in process: %v", err)
	}
	nc.Close()
}

// A callout service decides about clients. It must not be asked about the users that are added.
func TestConfigFileAuthCallout(t *testing.T) {
	t.Parallel()
	issuer, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	public, err := issuer.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	c := config(t, fmt.Sprintf(`
		port: -1
		accounts {
			AUTH { users: [ { user: auth, password: auth } ] }
			APP {}
		}
		authorization {
			timeout: 5
			auth_callout { issuer: %s, account: AUTH, auth_users: [ auth ] }
		}`, public))
	s := start(t, c)
	service := connect(t, s, nats.UserInfo("auth", "auth"))
	asked := make(chan string, 10)
	if _, err := service.Subscribe("$SYS.REQ.USER.AUTH", func(m *nats.Msg) {
		request, err := jwt.DecodeAuthorizationRequestClaims(string(m.Data))
		if err != nil {
			t.Error(err)
			return
		}
		asked <- request.ConnectOptions.Username + request.ConnectOptions.Nkey
		if err := m.Respond(allow(t, issuer, request)); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := service.Flush(); err != nil {
		t.Fatal(err)
	}
	client := connect(t, s, nats.UserInfo("somebody", "x"))
	connect(t, s, c.Control.Option())
	separated(t, s, client, inProcess(t, s.WorkloadOptions))
	if !reaches(t, client, inProcess(t, s.WorkloadOptions), "a") {
		t.Error("workloads are not in the account of the callout service's users")
	}
	if got := <-asked; got != "somebody" || len(asked) > 0 {
		t.Errorf("the callout service was asked about %q and %d more, want somebody alone", got, len(asked))
	}
}

// allow answers a callout request: the client may do everything in APP.
func allow(t *testing.T, issuer nkeys.KeyPair, request *jwt.AuthorizationRequestClaims) []byte {
	user := jwt.NewUserClaims(request.UserNkey)
	user.Audience = "APP"
	response := jwt.NewAuthorizationResponseClaims(request.UserNkey)
	response.Audience = request.Server.ID
	var err error
	if response.Jwt, err = user.Encode(issuer); err != nil {
		t.Error(err)
	}
	token, err := response.Encode(issuer)
	if err != nil {
		t.Error(err)
	}
	return []byte(token)
}

// eventually waits until the servers have told each other about their subscriptions.
func eventually(t *testing.T, from, to *nats.Conn, subject string) {
	t.Helper()
	if _, err := to.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(nil) }); err != nil {
		t.Fatal(err)
	}
	if err := to.Flush(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(within); ; {
		_, err := from.Request(subject, nil, 50*time.Millisecond)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody answers on %s: %v", subject, err)
		}
	}
}
