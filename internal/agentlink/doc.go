// Package agentlink is the protocol between a node and its agents, and the agent's end of it.
//
// The node runs a NATS server of its own that only this machine can reach (package linkhost). Each
// agent has an account there, with one nkey user that may use nothing but the subjects of that
// agent: hostint.<id>.> towards the node and agentint.<id>.> from it. <id> is the agent's id, not
// the workload's.
//
//	agent → node   hostint.<id>.handshake       Handshake, answered by HandshakeReply
//	agent → node   hostint.<id>.events.exited   Exited, answered by an empty message
//	agent → node   hostint.<id>.events.usage    Usage, not answered
//	agent → node   hostint.<id>.logs            []nex.LogRecord, acknowledged by LogsHeard
//	agent → node   hostint.<id>.logs.history    []nex.LogRecord that were acknowledged before
//	agent → node   hostint.<id>.rpc.<service>.<method>  a host service request, answered by its response
//	node → agent   agentint.<id>.deploy         Deploy, answered by DeployReply
//	node → agent   agentint.<id>.undeploy       Undeploy, answered by Exited
//	node → agent   agentint.<id>.logsheard      LogsHeard, not answered
//	node → agent   agentint.<id>.ping           empty, answered by an empty message
//
// Calls of functions and their answers have a connection of their own, a [Stream] on a unix socket,
// because there they cost the least. By the same socket the NATS server is reached from sandboxes that
// have no network, and the node is given compiled code.
//
// An agent that has a workload and loses its link connects to the node that follows, by the socket alone
// ([Redial]), when that has woken it ([Wake]) or after a while. Its Handshake says what it holds; then come the history of the log, what was not acknowledged
// of it, and, if the workload has ended, an Exited.
//
// Calls and host service requests are binary frames, see [AppendTrigger] and [AppendHostRequest]; all
// other messages are JSON. Both ends bound what they accept; the decoders are pure and fuzzed.
package agentlink
