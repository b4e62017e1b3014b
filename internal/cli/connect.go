package cli

import (
	"context"

	"github.com/nats-io/nats.go"
)

// connect makes the connection of a client command.
func (s *session) connect(ctx context.Context) (*nats.Conn, error) {
	settings := s.Settings
	if local := s.localUp(); local != nil && !settings.Explicit() {
		settings.Server, settings.NKey = local.ControlURL, local.ControlNKey
	}
	return settings.Connect(ctx, nats.Name(s.connName("nex")))
}

// connName is the name of a connection, as the user wants it or as it is.
func (s *session) connName(otherwise string) string {
	if s.ConnName != "" {
		return s.ConnName
	}
	return otherwise
}
