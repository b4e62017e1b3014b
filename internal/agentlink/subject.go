package agentlink

// Subjects of one agent on the internal NATS server.

// HandshakeSubject carries Handshake requests.
func HandshakeSubject(id string) string { return "hostint." + id + ".handshake" }

// ExitedSubject carries Exited requests.
func ExitedSubject(id string) string { return "hostint." + id + ".events.exited" }

// LogsSubject carries batches of log records.
func LogsSubject(id string) string { return "hostint." + id + ".logs" }

// HistorySubject carries batches of log records that an earlier node process has heard.
func HistorySubject(id string) string { return "hostint." + id + ".logs.history" }

// LogsHeardSubject carries LogsHeard messages.
func LogsHeardSubject(id string) string { return "agentint." + id + ".logsheard" }

// DeploySubject carries Deploy requests.
func DeploySubject(id string) string { return "agentint." + id + ".deploy" }

// UndeploySubject carries Undeploy requests.
func UndeploySubject(id string) string { return "agentint." + id + ".undeploy" }

// PingSubject carries empty requests.
func PingSubject(id string) string { return "agentint." + id + ".ping" }

// HostSubjects is all that the node listens to.
func HostSubjects(id string) string { return "hostint." + id + ".>" }

// AgentSubjects is all that the agent listens to, besides its inbox.
func AgentSubjects(id string) string { return "agentint." + id + ".>" }

// InboxPrefix is the agent's own inbox, the only one it may subscribe to.
func InboxPrefix(id string) string { return "_INBOX." + id }

// UsageSubject carries Usage messages.
func UsageSubject(id string) string { return "hostint." + id + ".events.usage" }

// HostServiceSubject carries host service requests.
func HostServiceSubject(id, service, method string) string {
	return HostServicesPrefix(id) + service + "." + method
}

// HostServicesPrefix begins the subjects of host service requests.
func HostServicesPrefix(id string) string { return "hostint." + id + ".rpc." }
