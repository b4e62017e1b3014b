package natsconn_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natsconn/conntest"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	files, others := conntest.Certificates(t, "127.0.0.1"), conntest.Certificates(t, "example.org")
	config := func(f conntest.Files, more string) string {
		return fmt.Sprintf("tls { cert_file: '%s', key_file: '%s', ca_file: '%s', timeout: 1, %s }", f.Cert, f.Key, f.CA, more)
	}
	plain := run(t, "port: -1")
	simple := run(t, config(files, ""))
	verify := run(t, config(files, "verify: true"))
	first := run(t, config(files, "handshake_first: true"))
	named := run(t, config(others, ""))

	for name, s := range map[string]natsconn.Settings{
		"authority":          {Server: simple, TLSCA: files.CA},
		"nats scheme":        {Server: strings.Replace(simple, "tls://", "nats://", 1), TLSCA: files.CA},
		"client certificate": {Server: verify, TLSCA: files.CA, TLSCert: files.ClientCert, TLSKey: files.ClientKey},
		"handshake first":    {Server: first, TLSCA: files.CA, TLSFirst: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connects(t, s)
		})
	}
	for _, tt := range []struct {
		name string
		s    natsconn.Settings
		want string
	}{
		{"unknown authority", natsconn.Settings{Server: simple}, "the certificate of the NATS server at " + simple + " is of an authority that is not trusted here: name it with --tlsca"},
		{"wrong name", natsconn.Settings{Server: named, TLSCA: others.CA}, "the certificate of the NATS server at " + named +
			" is not for that name (x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs): use a name that it is for with --server"},
		{"no client certificate", natsconn.Settings{Server: verify, TLSCA: files.CA}, "the NATS server at " + verify + " wants a client certificate: give --tlscert and --tlskey"},
		{
			"foreign client certificate",
			natsconn.Settings{Server: verify, TLSCA: files.CA, TLSCert: others.ClientCert, TLSKey: others.ClientKey},
			"the NATS server at " + verify + " refuses the client certificate " + others.ClientCert + ": change --tlscert and --tlskey",
		},
		{"no TLS there", natsconn.Settings{Server: plain, TLSCA: files.CA}, "the NATS server at " + plain + " has no TLS: use nats:// with --server, and leave --tlscert, --tlsca and --tlsfirst away"},
		{"no TLS first there", natsconn.Settings{Server: simple, TLSCA: files.CA, TLSFirst: true}, "the NATS server at " + simple + " does not begin with TLS: leave --tlsfirst away"},
		{
			"TLS first not used",
			natsconn.Settings{Server: first, TLSCA: files.CA, Timeout: 300 * time.Millisecond},
			"the NATS server at " + first + " does not answer within 300ms: check --server, or allow more with --timeout; if it wants TLS before its greeting, use --tlsfirst",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fails(t, tt.s, tt.want)
		})
	}
}
