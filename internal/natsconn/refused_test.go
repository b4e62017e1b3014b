package natsconn_test

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natsconn/conntest"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

// operated runs a server that trusts the operator.
func operated(t *testing.T, o *conntest.Operator) *server.Server {
	t.Helper()
	return natstest.Run(t, func(opts *server.Options) {
		opts.JetStream = false
		if err := opts.ProcessConfigString(operatorConfig(o)); err != nil {
			t.Fatal(err)
		}
	})
}

// revoke makes the server forget a user.
func revoke(t *testing.T, s *server.Server, o *conntest.Operator, creds string) {
	t.Helper()
	account, err := s.LookupAccount(o.AccountID)
	if err != nil {
		t.Fatal(err)
	}
	s.UpdateAccountClaims(account, o.Revoked(t, creds))
}

func TestRevokedUser(t *testing.T) {
	t.Parallel()
	o := conntest.NewOperator(t)
	s := operated(t, o)
	creds := o.Creds(t)
	connects(t, natsconn.Settings{Server: s.ClientURL(), Creds: creds})
	revoke(t, s, o, creds)
	fails(t, natsconn.Settings{Server: s.ClientURL(), Creds: creds},
		"the NATS server at "+s.ClientURL()+" refuses the credentials in "+creds+": check --creds")
}

// What a server says of a user while the client connects.
func TestServerSaysWhy(t *testing.T) {
	t.Parallel()
	creds := conntest.NewOperator(t).Creds(t)
	for _, says := range []string{"User Authentication Expired", "User Authentication Revoked", "Account Authentication Expired"} {
		url := refusing(t, says)
		fails(t, natsconn.Settings{Server: url, Creds: creds, NoContext: true},
			"the NATS server at "+url+" refuses the credentials in "+creds+" ("+says+"): get new ones and change --creds")
	}
}

func TestServerIsFull(t *testing.T) {
	t.Parallel()
	for _, says := range []string{"maximum connections exceeded", "maximum account active connections exceeded"} {
		url := refusing(t, says)
		fails(t, natsconn.Settings{Server: url}, "the NATS server at "+url+" has as many connections as it may ("+says+"): raise its limit, or name another with --server")
	}
}

// refusing is a server that has one answer.
func refusing(t *testing.T, says string) (url string) {
	t.Helper()
	return listen(t, func(c net.Conn) {
		_, _ = fmt.Fprintf(c, "INFO {\"nonce\":\"x\",\"headers\":true}\r\n-ERR '%s'\r\n", says)
	})
}

// A user who is no longer let in while the connection lives is what its log says, once, with the setting; the
// connection keeps trying, and is back once the credentials file holds others.
func TestRefusedWhileConnected(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		edit   func(*jwt.UserClaims)
		refuse func(*testing.T, *server.Server, *conntest.Operator, string)
		want   string
	}{
		{
			"expired", func(c *jwt.UserClaims) { c.Expires = time.Now().Add(2 * time.Second).Unix() },
			func(*testing.T, *server.Server, *conntest.Operator, string) {}, ", which expired at ",
		},
		{"revoked", func(*jwt.UserClaims) {}, revoke, "revoked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := conntest.NewOperator(t)
			s := operated(t, o)
			creds := o.Creds(t, tt.edit)
			settings := natsconn.Settings{Server: s.ClientURL(), Creds: creds, NoContext: true}
			var log lockedBuffer
			nc := connects(t, settings, settings.LongLived(slog.New(slog.NewTextHandler(&log, nil)))...)
			away, back := nc.StatusChanged(nats.RECONNECTING), nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
			defer nc.RemoveStatusListener(away)
			defer nc.RemoveStatusListener(back)
			tt.refuse(t, s, o, creds)
			for range 3 { // it tries again
				<-away
			}
			said := log.String()
			for _, want := range []string{"the NATS server at " + s.ClientURL() + " refuses the credentials in " + creds, tt.want, "change --creds; trying again until then"} {
				if !strings.Contains(said, want) {
					t.Errorf("log = %s\nwant %q", said, want)
				}
			}
			others, err := os.ReadFile(o.Creds(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(creds, others, 0o600); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-back:
				if got != nats.CONNECTED {
					t.Errorf("the connection is %s", got)
				}
			case <-time.After(within):
				t.Error("the connection is not back")
			}
			if n := strings.Count(log.String(), "level=ERROR"); n > 2 { // the first time the server says more
				t.Errorf("it was said %d times:\n%s", n, log.String())
			}
		})
	}
}

// A server that comes back with a certificate that is not trusted is named, and asked again until it has another.
func TestOtherCertificateLater(t *testing.T) {
	t.Parallel()
	files, others := conntest.Certificates(t, "127.0.0.1"), conntest.Certificates(t, "127.0.0.1")
	start := func(f conntest.Files, port int) *server.Server {
		return natstest.Run(t, func(o *server.Options) {
			o.JetStream = false
			if err := o.ProcessConfigString(fmt.Sprintf("tls { cert_file: '%s', key_file: '%s', timeout: 1 }", f.Cert, f.Key)); err != nil {
				t.Fatal(err)
			}
			o.Port = port
		})
	}
	s := start(files, server.RANDOM_PORT)
	settings := natsconn.Settings{Server: s.ClientURL(), TLSCA: files.CA, NoContext: true}
	var log lockedBuffer
	nc := connects(t, settings, settings.LongLived(slog.New(slog.NewTextHandler(&log, nil)))...)
	back := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(back)
	port := s.Addr().(*net.TCPAddr).Port
	restart := func(f conntest.Files) {
		s.Shutdown()
		s.WaitForShutdown()
		s = start(f, port)
	}
	restart(others)
	nextest.Await(t, "the certificate is named", func() bool {
		return strings.Contains(log.String(), "the certificate of the NATS server at "+settings.Server+" is of an authority that is not trusted here: name it with --tlsca; trying again until then")
	})
	restart(files)
	select {
	case got := <-back:
		if got != nats.CONNECTED {
			t.Errorf("the connection is %s", got)
		}
	case <-time.After(within):
		t.Error("the connection is not back")
	}
}

// old speaks as a server of that version does, as far as a client needs it to connect.
func old(t *testing.T, version string, headers bool) (url string) {
	t.Helper()
	return listen(t, func(c net.Conn) {
		fmt.Fprintf(c, "INFO {\"server_id\":\"X\",\"version\":%q,\"proto\":1,\"headers\":%t,\"max_payload\":1048576}\r\n", version, headers)
		go func() { // ends with the connection
			buffer := make([]byte, 4096)
			for {
				n, err := c.Read(buffer)
				if err != nil {
					return
				}
				if strings.Contains(string(buffer[:n]), "PING\r\n") {
					_, _ = c.Write([]byte("PONG\r\n"))
				}
			}
		}()
	})
}

func TestOldServer(t *testing.T) {
	t.Parallel()
	ancient, mute, before, newer, own := old(t, "2.1.9", false), old(t, "2.12.0", false), old(t, "2.8.4", true), old(t, "v2.9.0-beta.1", true), old(t, "edge", true)
	fails(t, natsconn.Settings{Server: ancient}, "the NATS server at "+ancient+" has version 2.1.9, and nex needs 2.2.0 or newer, with headers: update it, or name another with --server")
	fails(t, natsconn.Of("trigger_connection", nex.Connection{URL: ancient}), "the NATS server at "+ancient+
		" has version 2.1.9, and nex needs 2.2.0 or newer, with headers: update it, or name another with trigger_connection.nats_url")
	fails(t, natsconn.Settings{Server: mute}, "the NATS server at "+mute+" has no headers, which nex needs: leave no_header_support out of its configuration, or name another with --server")

	for url, want := range map[string]string{
		before: "the NATS server at " + before + " has version 2.8.4, and object stores and key-value buckets need 2.9.0 or newer: update it",
		newer:  "", own: "",
	} {
		err := natsconn.CheckJetStream(connects(t, natsconn.Settings{Server: url}))
		if got := fmt.Sprint(err); got != want && (want != "" || err != nil) {
			t.Errorf("error = %s\n want = %s", got, want)
		}
	}
	if err := natsconn.CheckJetStream(natstest.Connect(t, natstest.Run(t))); err != nil {
		t.Errorf("the server of today: %v", err)
	}
}

func TestSelfSignedServer(t *testing.T) {
	t.Parallel()
	files := conntest.SelfSigned(t, "127.0.0.1")
	url := run(t, fmt.Sprintf("tls { cert_file: '%s', key_file: '%s', timeout: 1 }", files.Cert, files.Key))
	want := "the certificate of the NATS server at " + url + " is of an authority that is not trusted here: name it with --tlsca"
	fails(t, natsconn.Settings{Server: url}, want)
	plain := strings.Replace(url, "tls://", "nats://", 1) // who knows nothing of TLS there is told the same
	fails(t, natsconn.Settings{Server: plain}, strings.Replace(want, url, plain, 1))
	connects(t, natsconn.Settings{Server: url, TLSCA: files.Cert})
}
