package linktest

import (
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/agentlink"
)

// serve answers requests, or takes them without ever answering, until the returned function is
// called or the link is closed.
func (a *Agent) serve(b agentlink.Bootstrap) (stop func(), err error) {
	if !a.script.Mute {
		return func() {}, a.link().Serve(handler{a})
	}
	nc, err := Connect(b)
	if err != nil {
		return nil, err
	}
	if _, err := nc.Subscribe(agentlink.AgentSubjects(b.AgentID), func(*nats.Msg) {}); err != nil {
		nc.Close()
		return nil, err
	}
	return nc.Close, nc.Flush()
}

// Connect connects with an agent's key as an agent could that does not keep to the protocol. The
// caller closes the connection.
func Connect(b agentlink.Bootstrap, opts ...nats.Option) (*nats.Conn, error) {
	pair, err := nkeys.FromSeed([]byte(b.Seed))
	if err != nil {
		return nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, err
	}
	return nats.Connect(b.URL, append([]nats.Option{
		nats.Nkey(public, pair.Sign), nats.CustomInboxPrefix(agentlink.InboxPrefix(b.AgentID)), nats.NoReconnect(),
	}, opts...)...)
}

// handler is the Agent as seen by the node.
type handler struct{ *Agent }

func (h handler) Deploy(d agentlink.Deploy) agentlink.DeployReply {
	h.fleet.deployed(d.WorkloadID, h.Agent)
	reply := agentlink.DeployReply{PID: 1}
	if h.script.Deploy != nil {
		reply = h.script.Deploy(h.Agent, d)
	}
	if reply.Error == "" {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.held, h.function = &agentlink.Held{WorkloadID: d.WorkloadID, PID: reply.PID}, d.Function != nil
	}
	return reply
}

func (h handler) Undeploy(u agentlink.Undeploy) agentlink.Exited {
	end := agentlink.Exited{Exit: Terminated}
	if h.script.Undeploy != nil {
		end = h.script.Undeploy(h.Agent, u)
	}
	h.Exit(end.Exit)
	return end
}

// Trigger echoes the payload unless the script says otherwise.
func (h handler) Trigger(t agentlink.Trigger, answer func(agentlink.Answer)) {
	if h.script.Trigger != nil {
		h.script.Trigger(h.Agent, t, answer)
		return
	}
	answer(agentlink.Answer{Header: t.Header, Payload: t.Payload})
}

func (h handler) LogsHeard(heard agentlink.LogsHeard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Agent.heard = max(h.Agent.heard, heard.Seq)
}
