package natsconn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/nats-io/jsm.go/natscontext"
)

// URL is where Connect connects to, without passwords.
func (s Settings) URL() (string, error) {
	c, err := s.resolve()
	if err != nil {
		return "", err
	}
	return WithoutUser(c.ServerURL()), nil
}

// resolve joins the settings with the context that is named or selected.
func (s Settings) resolve() (*natscontext.Context, error) {
	if s.Context != "" && s.NoContext {
		return nil, errors.New("--context and --no-context contradict each other: leave one away")
	}
	var c *natscontext.Context
	var err error
	if isFile(s.Context) {
		c, err = natscontext.NewFromFile(s.Context, s.overrides()...)
	} else {
		c, err = natscontext.New(s.Context, !s.NoContext, s.overrides()...)
	}
	if err != nil {
		return nil, s.contextProblem(err)
	}
	if c.Path() == "" || !s.authentication() {
		return c, nil
	}
	return s.withoutAuthentication(c)
}

// overrides are what the settings say, to be laid over a context.
func (s Settings) overrides() []natscontext.Option {
	o := []natscontext.Option{
		natscontext.WithServerURL(s.Server),
		natscontext.WithCertificate(s.TLSCert),
		natscontext.WithKey(s.TLSKey),
		natscontext.WithCA(s.TLSCA),
		natscontext.WithSocksProxy(s.SocksProxy),
		natscontext.WithJSDomain(s.JSDomain),
		natscontext.WithInboxPrefix(s.InboxPrefix),
		natscontext.WithCreds(s.Creds),
		natscontext.WithNKey(s.NKey),
		natscontext.WithUserJWT(s.UserJWT),
		natscontext.WithUserSeed(s.UserSeed),
		natscontext.WithToken(s.Token),
	}
	if s.TLSFirst {
		o = append(o, natscontext.WithTLSHandshakeFirst())
	}
	if s.User != "" && s.Password == "" {
		return append(o, natscontext.WithToken(s.User))
	}
	return append(o, natscontext.WithUser(s.User), natscontext.WithPassword(s.Password))
}

// withoutAuthentication returns the context with the settings' authentication alone. The library
// only lays one over the other, and then takes a context's user rather than the credentials file
// that was asked for.
func (s Settings) withoutAuthentication(c *natscontext.Context) (*natscontext.Context, error) {
	o := []natscontext.Option{
		natscontext.WithServerURL(c.ServerURL()),
		natscontext.WithCertificate(c.Certificate()),
		natscontext.WithKey(c.Key()),
		natscontext.WithCA(c.CA()),
		natscontext.WithSocksProxy(c.SocksProxy()),
		natscontext.WithJSDomain(c.JSDomain()),
		natscontext.WithJSAPIPrefix(c.JSAPIPrefix()),
		natscontext.WithInboxPrefix(c.InboxPrefix()),
		natscontext.WithWindowsCertStore(c.WindowsCertStore()),
		natscontext.WithWindowsCertStoreMatch(c.WindowsCertStoreMatch()),
		natscontext.WithWindowsCertStoreMatchBy(c.WindowsCertStoreMatchBy()),
		natscontext.WithWindowsCaCertsMatch(c.WindowsCaCertsMatch()...),
	}
	if c.TLSHandshakeFirst() {
		o = append(o, natscontext.WithTLSHandshakeFirst())
	}
	joined, err := natscontext.New("", false, append(o, s.overrides()...)...)
	if err != nil {
		return nil, err
	}
	joined.Name = c.Name
	return joined, nil
}

// isFile tells the path of a context's file from a name, as the nats command line does.
func isFile(name string) bool {
	if !strings.HasSuffix(name, ".json") {
		return false
	}
	info, err := os.Stat(name)
	return err == nil && !info.IsDir()
}

// contextProblem makes one sentence of the reason why a context cannot be loaded.
func (s Settings) contextProblem(err error) error {
	if s.Context == "" {
		name := natscontext.SelectedContext()
		if !natscontext.IsKnown(name) {
			return fmt.Errorf("the selected NATS context %q does not exist: select another with nats context select, or use --no-context", name)
		}
		return fmt.Errorf("cannot load the selected NATS context %q (%w): mend it with nats context edit, or use --no-context", name, withoutPath(err))
	}
	change := "--context or NATS_CONTEXT"
	if s.field != "" {
		change = s.name("--context")
	}
	if !isFile(s.Context) && !natscontext.IsKnown(s.Context) {
		return fmt.Errorf("unknown NATS context %q: see nats context ls, and change %s", s.Context, change)
	}
	return fmt.Errorf("cannot load the NATS context %q (%w): mend it, or change %s", s.Context, withoutPath(err), change)
}

// withoutPath drops what a sentence says anyhow.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
