package natsconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

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
	at := WithoutUser(c.ServerURL())
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("connect to NATS at %s: %w", at, cause)
	}
	if dialErr != nil && (errors.Is(err, nats.ErrNoServers) || errors.Is(err, context.DeadlineExceeded)) {
		err = fmt.Errorf("%w: %w", err, dialErr)
	}
	text := s.webSocketSentence(c, at, err)
	if text == "" {
		text = s.tlsSentence(c, at, err)
	}
	if text == "" {
		text = s.authSentence(c, at, err)
	}
	if text == "" {
		text = s.networkSentence(c, at, err)
	}
	return &connectError{text, err}
}

// explainOption is for values that the client refuses before it connects.
func (s Settings) explainOption(c *natscontext.Context, err error) error {
	switch {
	case c.Certificate() != "" && strings.Contains(err.Error(), "client cert"):
		return &connectError{fmt.Sprintf("the TLS certificate %s and key %s do not make a pair (%s): change %s and %s",
			c.Certificate(), c.Key(), text(err),
			s.origin("--tlscert", s.TLSCert, c), s.origin("--tlskey", s.TLSKey, c)), err}
	case c.CA() != "" && strings.Contains(err.Error(), "root"):
		return &connectError{fmt.Sprintf("the TLS authority %s holds no certificate: change %s", c.CA(), s.origin("--tlsca", s.TLSCA, c)), err}
	}
	return &connectError{"the NATS connection settings do not go together (" + text(err) + ")", err}
}

// text is what an error of the client says.
func text(err error) string { return strings.TrimPrefix(err.Error(), "nats: ") }

func (s Settings) networkSentence(c *natscontext.Context, at string, err error) string {
	server := s.server(c)
	first, patience := "; if it wants TLS before its greeting, use --tlsfirst", ", or allow more with --timeout"
	start := "start one with nex up, or name one with " + server
	if s.field != "" { // which has no such settings, unless a context has
		first, patience, start = "", "", "check "+server
	}
	if s.field != "" && s.Context != "" {
		first = "; if it wants TLS before its greeting, set tls_first in " + s.origin("--tlsfirst", "", c)
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("there is no host %s: check %s", dns.Name, s.origin("--server", s.Server, c))
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("the NATS server at %s does not answer within %v: check %s%s%s", at, s.timeout(), server, patience, first)
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Sprintf("no NATS server at %s: %s", at, start)
	case errors.Is(err, nats.ErrNoInfoReceived):
		return fmt.Sprintf("what listens at %s is no NATS server: check %s", at, server)
	case errors.Is(err, io.EOF):
		return fmt.Sprintf("the NATS server at %s closes the connection: check %s%s", at, server, first)
	case says(err, nats.ErrMaxConnectionsExceeded, nats.MAX_CONNECTIONS_ERR),
		says(err, nats.ErrMaxAccountConnectionsExceeded, nats.MAX_ACCOUNT_CONNECTIONS_ERR):
		return fmt.Sprintf("the NATS server at %s has as many connections as it may (%s): raise its limit, or name another with %s", at, text(err), server)
	}
	return fmt.Sprintf("cannot connect to NATS at %s (%s): check %s", at, text(err), server)
}

func (s Settings) authSentence(c *natscontext.Context, at string, err error) string {
	who, change := s.identity(c)
	switch {
	case !isRefusal(err) && !errors.Is(err, nats.ErrNkeysNotSupported):
		return ""
	case who == "" && s.field != "":
		change = s.name("--jwt") + " and " + s.name("--seed")
		if s.Context != "" {
			change += ", or a user in " + s.origin("--user", "", c)
		}
		return fmt.Sprintf("the NATS server at %s wants credentials: give %s", at, change)
	case who == "":
		return fmt.Sprintf("the NATS server at %s wants credentials: give --user and --password, --creds or --nkey, or a --context that has them", at)
	case errors.Is(err, nats.ErrNkeysNotSupported):
		return fmt.Sprintf("the NATS server at %s has no nkey users: leave %s away", at, change)
	}
	if ended := s.expired(c); ended != "" {
		return fmt.Sprintf("the NATS server at %s refuses %s, which expired at %s: get new ones and change %s", at, who, ended, change)
	}
	if says(err, nats.ErrAuthorization, nats.AUTHORIZATION_ERR) {
		return fmt.Sprintf("the NATS server at %s refuses %s: check %s", at, who, change)
	}
	return fmt.Sprintf("the NATS server at %s refuses %s (%s): get new ones and change %s", at, who, text(err), change)
}

// isRefusal reports whether the server does not let the user in.
func isRefusal(err error) bool {
	return says(err, nats.ErrAuthorization, nats.AUTHORIZATION_ERR) ||
		says(err, nats.ErrAuthExpired, nats.AUTHENTICATION_EXPIRED_ERR) ||
		says(err, nats.ErrAuthRevoked, nats.AUTHENTICATION_REVOKED_ERR) ||
		says(err, nats.ErrAccountAuthExpired, nats.ACCOUNT_AUTHENTICATION_EXPIRED_ERR)
}

// says reports whether an error is the client's own, or the words of the server that this stands for: what comes
// while it connects the client passes on as it is.
func says(err, own error, words string) bool {
	return errors.Is(err, own) || strings.Contains(strings.ToLower(err.Error()), words)
}

// expired is when the user's JWT has expired; empty if it has not. Servers do not say so of one who connects.
func (s Settings) expired(c *natscontext.Context) string {
	token := c.UserJWT()
	if c.Creds() != "" {
		token, _, _ = ReadCreds("", expandHome(c.Creds())) // it has been checked, and may be gone again
	}
	claims := claimsOf(token)
	if claims == nil || claims.Expires == 0 || time.Now().Unix() < claims.Expires {
		return ""
	}
	return time.Unix(claims.Expires, 0).UTC().Format(time.RFC3339)
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
	case s.UserJWT != "" && s.field != "":
		return "the user JWT", s.name("--jwt") + " and " + s.name("--seed")
	case c.UserJWT() != "":
		return "the user JWT", s.origin("--jwt and --seed", s.UserJWT, c)
	case strings.Contains(c.ServerURL(), "@"):
		return "the user or token in the URL", s.origin("--server", s.Server, c)
	case c.Certificate() != "":
		return "the certificate in " + c.Certificate(), s.origin("--tlscert", s.TLSCert, c)
	}
	return "", ""
}
