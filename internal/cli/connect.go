package cli

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/natsconn"
)

// connect makes the connection of a client command: to the local nex up, unless the user has
// another server in mind.
func (s *session) connect(ctx context.Context) (*nats.Conn, error) {
	return s.discovered().Connect(ctx, nats.Name(s.connName("nex")))
}

// discovered are the settings of that connection.
func (s *session) discovered() natsconn.Settings {
	settings := s.Settings
	if dir, err := s.dataDir(); err == nil {
		settings, _ = settings.Discover(dir)
	}
	return settings
}

// connName is the name of a connection, as the user wants it or as it is.
func (s *session) connName(otherwise string) string {
	if s.ConnName != "" {
		return s.ConnName
	}
	return otherwise
}
