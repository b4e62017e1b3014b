package natsconn

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/nats-io/jsm.go/natscontext"
	"github.com/nats-io/nkeys"
)

// check finds what is wrong with the settings before the client does, whose errors do not say where
// a value came from.
func (s Settings) check(c *natscontext.Context) error {
	for _, server := range servers(c) {
		if _, err := parseServer(server); err != nil {
			// Not the URL itself: it may hold a password.
			return fmt.Errorf("%s is not a NATS URL (%w): write nats://host:port", s.origin("--server", s.Server, c), err)
		}
	}
	if (c.Certificate() == "") != (c.Key() == "") {
		return fmt.Errorf("%s and %s go together: give both", s.origin("--tlscert", s.TLSCert, c), s.origin("--tlskey", s.TLSKey, c))
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
			return fmt.Errorf("the %s %s cannot be used (%w): change %s", f.what, path, withoutPath(err), s.origin(f.flag, f.given, c))
		}
	}
	return nil
}

func usableCreds(content []byte) error {
	// Without markers around it the library takes the whole file for the JWT.
	if token, err := nkeys.ParseDecoratedJWT(content); err != nil || strings.Count(token, ".") != 2 {
		return errors.New("it holds no user JWT")
	}
	return usableSeed(content)
}

func usableSeed(content []byte) error {
	if _, err := nkeys.ParseDecoratedNKey(content); err != nil {
		return errors.New("it holds no nkey seed")
	}
	return nil
}

// origin is what to change about a value: the flag if it was given there, else the context.
func (s Settings) origin(flag, given string, c *natscontext.Context) string {
	if given != "" || c.Name == "" {
		return flag
	}
	return fmt.Sprintf("the NATS context %q", c.Name)
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

func servers(c *natscontext.Context) []string {
	list := strings.Split(c.ServerURL(), ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// parseServer parses a server's URL, the scheme of which is optional.
func parseServer(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		raw = "nats://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		var detail *url.Error
		if errors.As(err, &detail) { // without the URL
			err = detail.Err
		}
		return nil, err
	}
	if u.Hostname() == "" {
		return nil, errors.New("it names no host")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return u, nil
	}
	return nil, fmt.Errorf("scheme %s is none of nats, tls, ws, wss", u.Scheme)
}

// where names the servers without the credentials that their URLs may hold.
func where(c *natscontext.Context) string {
	var list []string
	for _, server := range servers(c) {
		u, err := parseServer(server)
		if err != nil {
			list = append(list, "(malformed URL)")
			continue
		}
		u.User = nil
		list = append(list, u.String())
	}
	return strings.Join(list, ", ")
}
