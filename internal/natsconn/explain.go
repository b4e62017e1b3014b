package natsconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/nats-io/jsm.go/natscontext"
	"github.com/nats-io/nats.go"
)

// connectError is a sentence for people together with what went wrong for programs.
type connectError struct {
	text  string
	cause error
}

func (e *connectError) Error() string { return e.text }
func (e *connectError) Unwrap() error { return e.cause }

// explain makes one sentence, which names the setting to change, of the reason why connecting
// failed. dialErr is why an address could not be reached, where the client only says that none
// could.
func (s Settings) explain(ctx context.Context, c *natscontext.Context, err, dialErr error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("connect to NATS at %s: %w", where(c), cause)
	}
	if dialErr != nil && (errors.Is(err, nats.ErrNoServers) || errors.Is(err, context.DeadlineExceeded)) {
		err = fmt.Errorf("%w: %w", err, dialErr)
	}
	text := s.tlsSentence(c, err)
	if text == "" {
		text = s.authSentence(c, err)
	}
	if text == "" {
		text = s.networkSentence(c, err)
	}
	return &connectError{text, err}
}

// explainOption is for values that the client refuses before it connects.
func (s Settings) explainOption(c *natscontext.Context, err error) error {
	switch {
	case c.Certificate() != "" && strings.Contains(err.Error(), "client cert"):
		return &connectError{fmt.Sprintf("the TLS certificate %s and key %s do not make a pair (%s): change %s and %s",
			c.Certificate(), c.Key(), strings.TrimPrefix(err.Error(), "nats: "),
			s.origin("--tlscert", s.TLSCert, c), s.origin("--tlskey", s.TLSKey, c)), err}
	case c.CA() != "" && strings.Contains(err.Error(), "root"):
		return &connectError{fmt.Sprintf("the TLS authority %s holds no certificate: change %s", c.CA(), s.origin("--tlsca", s.TLSCA, c)), err}
	}
	return &connectError{"the NATS connection settings do not go together (" + strings.TrimPrefix(err.Error(), "nats: ") + ")", err}
}

func (s Settings) networkSentence(c *natscontext.Context, err error) string {
	at := where(c)
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("there is no host %s: check %s", dns.Name, s.origin("--server", s.Server, c))
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("the NATS server at %s does not answer within %v: check --server, or allow more with --timeout; if it wants TLS before its greeting, use --tlsfirst",
			at, s.timeout())
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Sprintf("no NATS server at %s: start one with nex up, or name one with --server", at)
	case errors.Is(err, nats.ErrNoInfoReceived):
		return fmt.Sprintf("what listens at %s is no NATS server: check --server", at)
	case errors.Is(err, io.EOF):
		return fmt.Sprintf("the NATS server at %s closes the connection: check --server; if it wants TLS before its greeting, use --tlsfirst", at)
	}
	return fmt.Sprintf("cannot connect to NATS at %s (%s): check --server", at, strings.TrimPrefix(err.Error(), "nats: "))
}

func (s Settings) authSentence(c *natscontext.Context, err error) string {
	who, change := s.identity(c)
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		if who == "" {
			return fmt.Sprintf("the NATS server at %s wants credentials: give --user and --password, --creds or --nkey, or a --context that has them", where(c))
		}
		return fmt.Sprintf("the NATS server at %s refuses %s: check %s", where(c), who, change)
	case errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return fmt.Sprintf("the NATS server at %s refuses %s (%s): get new ones and change %s",
			where(c), who, strings.TrimPrefix(err.Error(), "nats: "), change)
	case errors.Is(err, nats.ErrNkeysNotSupported):
		return fmt.Sprintf("the NATS server at %s has no nkey users: leave %s away", where(c), change)
	}
	return ""
}

// identity says as whom the settings connect, and what to change about that.
func (s Settings) identity(c *natscontext.Context) (who, change string) {
	switch {
	case c.User() != "":
		return fmt.Sprintf("user %q with this password", c.User()), s.origin("--user and --password", s.User, c)
	case c.Token() != "":
		return "the token", s.origin("--token or --user", s.Token+s.User, c)
	case c.Creds() != "":
		return "the credentials in " + c.Creds(), s.origin("--creds", s.Creds, c)
	case c.NKey() != "":
		return "the nkey in " + c.NKey(), s.origin("--nkey", s.NKey, c)
	case c.UserJWT() != "":
		return "the user JWT", s.origin("--jwt and --seed", s.UserJWT, c)
	case strings.Contains(c.ServerURL(), "@"):
		return "the user or token in the URL", s.origin("--server", s.Server, c)
	case c.Certificate() != "":
		return "the certificate in " + c.Certificate(), s.origin("--tlscert", s.TLSCert, c)
	}
	return "", ""
}

func (s Settings) tlsSentence(c *natscontext.Context, err error) string {
	at := where(c)
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	switch {
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Sprintf("the NATS server at %s has no TLS: use nats:// with --server, and leave --tlscert, --tlsca and --tlsfirst away", at)
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of the NATS server at %s is of an authority that is not trusted here: name it with --tlsca", at)
	case errors.As(err, &hostname):
		return fmt.Sprintf("the certificate of the NATS server at %s is not for that name (%s): use a name that it is for with --server", at, hostname)
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of the NATS server at %s is not valid (%s): it needs a new one", at, invalid)
	case errors.As(err, &header):
		return fmt.Sprintf("the NATS server at %s does not begin with TLS: leave --tlsfirst away", at)
	case endedByServer(err) && c.Certificate() == "":
		return fmt.Sprintf("the NATS server at %s wants a client certificate: give --tlscert and --tlskey", at)
	case endedByServer(err):
		return fmt.Sprintf("the NATS server at %s refuses the client certificate %s: change %s",
			at, c.Certificate(), s.origin("--tlscert and --tlskey", s.TLSCert, c))
	case errors.Is(err, nats.ErrTLS):
		return fmt.Sprintf("TLS with the NATS server at %s fails (%s): check --tlscert, --tlskey and --tlsca", at, err)
	}
	return ""
}

// endedByServer reports whether the server ended the TLS handshake on its own account. Its reason
// reaches the client only sometimes, and the types of both errors are hidden.
func endedByServer(err error) bool {
	text := err.Error()
	return strings.Contains(text, "remote error: tls: ") || strings.Contains(text, "closed by remote after TLS handshake")
}
