package natsconn

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// JetStreamPlace is which JetStream a connection uses. The zero value is that of the connection's own account.
type JetStreamPlace struct {
	// Domain is a JetStream domain. With one there is no APIPrefix.
	Domain string
	// APIPrefix begins the subjects of the API instead of $JS.API, without a dot at its end.
	APIPrefix string
}

// JetStreamPlace is where the settings say that JetStream is: their domain, else the domain of their context, else
// its API prefix. It resolves the context anew.
func (s Settings) JetStreamPlace() (JetStreamPlace, error) {
	c, err := s.resolve()
	if err != nil {
		return JetStreamPlace{}, err
	}
	if c.JSDomain() != "" {
		return JetStreamPlace{Domain: c.JSDomain()}, nil
	}
	prefix := strings.TrimSuffix(c.JSAPIPrefix(), ".")
	if prefix == strings.TrimSuffix(jetstream.DefaultAPIPrefix, ".") {
		return JetStreamPlace{}, nil
	}
	if domain, ok := domainOf(prefix); ok {
		return JetStreamPlace{Domain: domain}, nil
	}
	return JetStreamPlace{APIPrefix: prefix}, nil
}

// domainOf is the domain of which this is the API prefix: requests to nodes can name domains, and nothing else.
func domainOf(prefix string) (domain string, ok bool) {
	domain, ok = strings.CutPrefix(prefix, "$JS.")
	if ok {
		domain, ok = strings.CutSuffix(domain, ".API")
	}
	return domain, ok && domain != "" && !strings.Contains(domain, ".")
}

// JetStream returns the JetStream of a connection that these settings made: its domain or API prefix may come from
// them. The subjects of its API begin with [JetStreamPlace.API].
func (s Settings) JetStream(nc *nats.Conn) (jetstream.JetStream, error) {
	place, err := s.JetStreamPlace()
	if err != nil {
		return nil, err
	}
	return place.Open(nc, jetstream.WithDefaultTimeout(s.timeout()))
}

// Open returns the JetStream that a connection has there. It asks for nothing yet.
func (p JetStreamPlace) Open(nc *nats.Conn, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
	switch {
	case p.Domain != "":
		return jetstream.NewWithDomain(nc, p.Domain, opts...)
	case p.APIPrefix != "":
		return jetstream.NewWithAPIPrefix(nc, p.APIPrefix, opts...)
	}
	return jetstream.New(nc, opts...)
}

// API begins the subjects of the API there, such as "$JS.API." or "$JS.hub.API.".
func (p JetStreamPlace) API() string {
	switch {
	case p.Domain != "":
		return "$JS." + p.Domain + ".API."
	case p.APIPrefix != "":
		return p.APIPrefix + "."
	}
	return jetstream.DefaultAPIPrefix
}

// KeyValues begins the subjects to which the values of key-value buckets are written there: "$KV.", and in front of
// that the API's if it is not the usual one. Those of object stores begin with "$O." wherever they are.
func (p JetStreamPlace) KeyValues() string {
	if p == (JetStreamPlace{}) {
		return "$KV."
	}
	return p.API() + "$KV."
}

// String names the place for a sentence, such as `in domain "hub"`; empty if it is the connection's own.
func (p JetStreamPlace) String() string {
	switch {
	case p.Domain != "":
		return fmt.Sprintf("in domain %q", p.Domain)
	case p.APIPrefix != "":
		return fmt.Sprintf("with the API prefix %q", p.APIPrefix)
	}
	return ""
}
