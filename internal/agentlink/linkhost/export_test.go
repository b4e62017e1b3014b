package linkhost

import "github.com/nats-io/nats-server/v2/server"

// Server is the internal server, for counting what is on it.
func (h *Host) Server() *server.Server { return h.server }

// AdmitTwin lets in another agent of the same id, with the seed.
func (h *Host) AdmitTwin(agentID string) (seed string, err error) {
	agent, err := newKey()
	if err != nil {
		return "", err
	}
	node, err := newKey()
	if err != nil {
		return "", err
	}
	h.users.admit(agentID, agent, node)
	return agent.seed, nil
}

// What decodes the messages of agents.
var (
	HearHandshake = hearHandshake
	HearLogs      = hearLogs
	HearExited    = hearExited
	HearDeployed  = hearDeployed
)
