package natsforms_test

// This file is about servers at the edge, which are leaves of a hub.

import (
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// TestLeaf joins a leaf by user and password, and by credentials.
func TestLeaf(t *testing.T) {
	t.Run("Password", func(t *testing.T) {
		f := newForm(t)
		f.write("leaf-hub.conf", "leaf-edge.conf")
		hub := f.terminal()
		hub.run("certificates.sh")
		hub.run("leaf-hub-env.sh")
		server := f.mortals(binDir, "leaf-hub.sh", "leaf-edge.sh")[0]
		hub.with("NATS_USER=", "NATS_PASSWORD=").refused("wants credentials")
		hub.with("NATS_USER=app", "NATS_PASSWORD=change me too").onlyUses()
		f.leaf(hub, "leaf-hub.sh", server)
	})
	t.Run("Credentials", func(t *testing.T) {
		f := newForm(t)
		f.write("leaf-creds-hub.conf", "leaf-creds-edge.conf")
		operator := f.terminal()
		operator.run("certificates.sh")
		operator.run("operator.sh")
		operator.run("leaf-creds-account.sh")
		hub := f.terminal()
		hub.run("leaf-creds-env.sh")
		server := f.mortals(binDir, "leaf-creds-hub.sh")[0]
		operator.run("leaf-creds-push.sh")
		f.mortals(binDir, "leaf-creds-edge.sh")
		f.leaf(hub, "leaf-creds-hub.sh", server)
	})
}

// leaf joins a node to the server at the edge, and deploys and calls there and at the hub. Then the hub, which a
// block has started, is killed and started again: what runs at the edge answers there all the while.
func (f *form) leaf(hub *terminal, block string, server *nextest.Process) {
	f.t.Helper()
	edge := f.terminal()
	edge.run("leaf-edge-env.sh")
	edge.with("NATS_USER=", "NATS_PASSWORD=").refused("wants credentials")
	edge.with("NATS_USER="+appUser.User, "NATS_PASSWORD="+appUser.Pass).onlyUses()
	node := edge.joins()
	hub.finds(node)
	edge.calls(node, "app")
	hub.answers("app.service", "the service has got hello")
	hub.answers("app.function", "hello from app.function")
	hub.onNode(node, hub.run("leaf-deploy.sh"))
	hub.answers("app.remote", "hello from app.remote")
	edge.answers("app.remote", "hello from app.remote")
	hub.talks("hub")
	edge.talks("edge")
	across(hub, edge, "down")
	across(edge, hub, "up")
	acrossInGo(edge, hub, "both")
	f.talksInJavaScript("ws://127.0.0.2:8080", appUser)
	for domain, tt := range map[string]*terminal{"hub": edge, "edge": hub} { // each makes a stream at the other side
		tt.ok("nats", "--js-domain", domain, "stream", "add", "AT-"+domain, "--subjects", "at."+domain, "--defaults")
		tt.ok("nats", "req", "at."+domain, "a message")
	}

	server.Kill()
	edge.answers("app.service", "the service has got hello")
	edge.answers("app.function", "hello from app.function")
	edge.deploysFunction(node, "app.alone", "--name=alone")
	edge.answers("app.alone", "hello from app.alone")
	f.mortals(binDir, block)
	hub.finds(node)
	hub.answers("app.alone", "hello from app.alone")
	nextest.Await(f.t, "the hub sees the stream at the edge", func() bool {
		_, _, err := hub.finish(hub.command("nats", "--js-domain", "edge", "stream", "info", "AT-edge"))
		return err == nil
	})
}
