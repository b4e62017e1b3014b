package natsconn

import (
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/jsm.go/natscontext"
)

// check finds what is wrong with the settings before the client does, whose errors do not say where
// a value came from.
func (s Settings) check(c *natscontext.Context) error {
	if err := CheckServers(s.origin("--server", s.Server, c), c.ServerURL()); err != nil {
		return err
	}
	if (c.Certificate() == "") != (c.Key() == "") {
		return fmt.Errorf("%s and %s go together: give both", s.origin("--tlscert", s.TLSCert, c), s.origin("--tlskey", s.TLSKey, c))
	}
	if p := c.InboxPrefix(); p != "" && !isSubject(p) {
		return fmt.Errorf("%s has %q, which no subject can begin with: give words with dots between, such as _INBOX_me",
			s.origin("--inbox-prefix", s.InboxPrefix, c), p)
	}
	for _, f := range []struct {
		what, flag, given, path string
		usable                  func(content []byte) error
	}{
		{"credentials file", "--creds", s.Creds, c.Creds(), usableCreds},
		{"nkey file", "--nkey", s.NKey, c.NKey(), usableSeed},
		{"TLS certificate", "--tlscert", s.TLSCert, c.Certificate(), nil},
		{"TLS key", "--tlskey", s.TLSKey, c.Key(), nil},
		{"TLS authority", "--tlsca", s.TLSCA, c.CA(), nil},
	} {
		if f.path == "" || strings.HasPrefix(f.path, "op://") { // 1Password's, which the context asks
			continue
		}
		path := expandHome(f.path)
		content, err := os.ReadFile(path)
		if err == nil && f.usable != nil {
			err = f.usable(content)
		}
		if err != nil {
			return unusable(f.what, path, err, s.origin(f.flag, f.given, c))
		}
	}
	return nil
}

// isSubject reports whether something can be a subject, without wildcards.
func isSubject(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || strings.ContainsAny(token, "*> \t\r\n") {
			return false
		}
	}
	return true
}

func usableCreds(content []byte) error {
	_, _, err := parseCreds(content)
	return err
}

func usableSeed(content []byte) error {
	_, err := parseSeed(content)
	return err
}

// origin is what to change about a value: the flag if it was given there, else the context.
func (s Settings) origin(flag, given string, c *natscontext.Context) string {
	if given != "" || c.Name == "" {
		return s.name(flag)
	}
	return fmt.Sprintf("the NATS context %q", c.Name)
}

// server is what to change about where to connect to: for who gives flags the flag, which goes before a context.
func (s Settings) server(c *natscontext.Context) string {
	if s.field == "" {
		return s.name("--server")
	}
	return s.origin("--server", s.Server, c)
}

// expandHome expands a path as the context does when it uses it.
func expandHome(path string) string {
	path = os.ExpandEnv(path)
	rest, ok := strings.CutPrefix(path, "~")
	if !ok {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return home + rest
}
