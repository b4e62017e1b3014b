package natsforms_test

// This file has the table of the forms of one server.

import (
	"encoding/json"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// single is a form of one server.
type single struct {
	name    string
	files   []string // blocks that are configurations
	prepare []string // blocks of commands that come before the server
	up      string   // the block that starts it
	env     string   // the block with the settings of nodes, and of those who deploy
	prove   func(r *row)
}

// singles are the forms of one server, each with what is particular about it.
var singles = []single{
	{"JetStream", []string{"jetstream.conf"}, nil, "jetstream-up.sh", "jetstream-env.sh", proveJetStream},
	{"Password", []string{"password.conf"}, nil, "password-up.sh", "password-env.sh", provePassword},
	{"Token", []string{"token.conf"}, nil, "token-up.sh", "token-env.sh", proveToken},
	{"NKey", []string{"nkey.conf"}, []string{"nkey.sh"}, "nkey-up.sh", "nkey-env.sh", proveNKey},
	{"TLS", []string{"tls.conf"}, []string{"certificates.sh"}, "tls-up.sh", "tls-env.sh", proveTLS},
	{"TLSFirst", []string{"tls-first.conf"}, []string{"certificates.sh"}, "tls-first-up.sh", "tls-first-env.sh", proveTLSFirst},
	{"MutualTLS", []string{"mutual.conf"}, []string{"certificates.sh"}, "mutual-up.sh", "mutual-env.sh", proveMutualTLS},
	{"Operator", []string{"operator.conf"}, []string{"operator.sh"}, "operator-up.sh", "operator-env.sh", proveOperator},
	{"Subjects", []string{"subjects.conf"}, nil, "subjects-up.sh", "subjects-env.sh", proveSubjects},
	{"Accounts", []string{"accounts.conf"}, nil, "accounts-up.sh", "accounts-env.sh", proveAccounts},
	{"WebSocket", []string{"websocket.conf"}, nil, "websocket-up.sh", "websocket-env.sh", proveWebSocket},
	{
		"WebSocketTLS",
		[]string{"websocket-tls.conf"},
		[]string{"certificates.sh"},
		"websocket-tls-up.sh", "websocket-tls-env.sh", proveWebSocketTLS,
	},
}

// row is a form of one server that runs, with a node that has joined it.
type row struct {
	*form
	operator *terminal // of whoever runs the server
	nex      *terminal // of whoever deploys
	up, node *nextest.Process
}

// TestForms serves each form of one server by nex up, and lets the clients of NATS and Nex join it.
func TestForms(t *testing.T) {
	for _, s := range singles {
		t.Run(s.name, func(t *testing.T) {
			f := newForm(t)
			f.write(s.files...)
			r := &row{form: f, operator: f.terminal(), nex: f.terminal()}
			for _, name := range s.prepare {
				r.operator.run(name)
			}
			r.up = r.operator.start(s.up)
			r.nex.run(s.env)
			r.nex.talks("app")
			r.node = r.nex.start("node.sh")
			s.prove(r)
		})
	}
}

// sees checks that whoever is at a terminal finds nodes.
func (r *row) sees(tt *terminal, nodes ...*nextest.Process) {
	r.t.Helper()
	var list []struct {
		ID string `json:"node_id"`
	}
	must(r.t, json.Unmarshal([]byte(tt.ok("nex", "node", "ls", "--json")), &list))
	found := make(map[string]bool)
	for _, n := range list {
		found[n.ID] = true
	}
	for _, n := range nodes {
		if !found[n.Ready.NodeID] {
			r.t.Errorf("node %s is not among %v", n.Ready.NodeID, list)
		}
	}
	if len(found) != len(nodes) {
		r.t.Errorf("there are nodes %v, want %d", list, len(nodes))
	}
}

// bothNodes deploys to the node that has joined, with the settings of the form, and to the node of nex up, by whoever
// runs that, who needs no credentials but what the variables say. Clients call both alike.
func (r *row) bothNodes(variables ...string) {
	r.t.Helper()
	r.sees(r.nex, r.node)
	r.nex.calls(r.node, "app")
	own := r.operator.with(variables...)
	r.sees(own, r.up)
	own.deploysFunction(r.up, "app.own")
	r.nex.answers("app.own", "hello from app.own")
}

// oneGroup is bothNodes for forms in which both are in the same account.
func (r *row) oneGroup() {
	r.t.Helper()
	r.sees(r.nex, r.up, r.node)
	r.nex.calls(nil, "app")
	for _, n := range []*nextest.Process{r.up, r.node} {
		name := "on-" + n.Ready.NodeID[:8]
		r.nex.ok("nex", "run", "nats://NEXCLIFILES/default/hellojs", n.Ready.NodeID, "--type=v8", "--name="+name, "--trigger_subject=app."+name)
		r.nex.answers("app."+name, "hello from app."+name)
	}
}
