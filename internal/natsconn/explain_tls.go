package natsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/jsm.go/natscontext"
	"github.com/nats-io/nats.go"
)

// webSocketSentence is for what is asked for WebSockets and has none; empty if it is something else.
func (s Settings) webSocketSentence(c *natscontext.Context, at string, err error) string {
	var header tls.RecordHeaderError
	scheme, _, _ := strings.Cut(at, "://")
	switch {
	case scheme == "wss" && errors.As(err, &header):
		return fmt.Sprintf("what listens at %s has no TLS: use ws:// with %s if it has WebSockets, or nats://", at, s.server(c))
	case (scheme == "ws" || scheme == "wss") && strings.Contains(err.Error(), "malformed HTTP"):
		return fmt.Sprintf("what listens at %s has no WebSockets: give the port that has with %s, or use nats://", at, s.server(c))
	}
	return ""
}

// tlsSentence is for what goes wrong with TLS; empty if it is something else.
func (s Settings) tlsSentence(c *natscontext.Context, at string, err error) string {
	server := s.server(c)
	trust, leave := "name it with --tlsca", "leave --tlsfirst away"
	plain := "use nats:// with " + server + ", and leave --tlscert, --tlsca and --tlsfirst away"
	certificate, check := "give --tlscert and --tlskey", "--tlscert, --tlskey and --tlsca"
	switch origin := s.origin("--tlsca", "", c); {
	case s.field != "" && s.Context != "":
		trust, leave = "name it as ca in "+origin, "leave tls_first away in "+origin
		plain = "leave cert, ca and tls_first away in " + origin + ", and use nats://"
		certificate, check = "give cert and key in "+origin, origin
	case s.field != "": // which has no such settings
		trust, leave = "make the node's machine trust it", "check "+server
		plain = "use nats:// with " + server
		certificate, check = "name one with "+server+" that takes user JWTs alone", server
	}
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	switch {
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Sprintf("the NATS server at %s has no TLS: %s", at, plain)
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of the NATS server at %s is of an authority that is not trusted here: %s", at, trust)
	case errors.As(err, &hostname):
		return fmt.Sprintf("the certificate of the NATS server at %s is not for that name (%s): use a name that it is for with %s", at, hostname, server)
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of the NATS server at %s is not valid (%s): it needs a new one", at, invalid)
	case errors.As(err, &header):
		return fmt.Sprintf("the NATS server at %s does not begin with TLS: %s", at, leave)
	case endedByServer(err) && c.Certificate() == "":
		return fmt.Sprintf("the NATS server at %s wants a client certificate: %s", at, certificate)
	case endedByServer(err):
		return fmt.Sprintf("the NATS server at %s refuses the client certificate %s: change %s",
			at, c.Certificate(), s.origin("--tlscert and --tlskey", s.TLSCert, c))
	case errors.Is(err, nats.ErrTLS):
		return fmt.Sprintf("TLS with the NATS server at %s fails (%s): check %s", at, text(err), check)
	}
	return ""
}

// endedByServer reports whether the server ended the TLS handshake on its own account. Its reason
// reaches the client only sometimes, and the types of both errors are hidden.
func endedByServer(err error) bool {
	text := err.Error()
	return strings.Contains(text, "remote error: tls: ") || strings.Contains(text, "closed by remote after TLS handshake")
}
