package linkhost

import "github.com/nats-io/nats-server/v2/server"

// Server is the internal server, for counting what is on it.
func (h *Host) Server() *server.Server { return h.server }

// What decodes the messages of agents.
var (
	HearHandshake = hearHandshake
	HearLogs      = hearLogs
	HearExited    = hearExited
	HearDeployed  = hearDeployed
)
