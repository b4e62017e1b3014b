package natsforms_test

// This file is about accounts with limits of JetStream, and without JetStream.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keeper is a function that keeps something in a bucket of its own.
const keeper = `() => { hostServices.kv.set("key", "kept"); return hostServices.kv.get("key"); }`

// TestLimits uses an account up, and shows what Nex says then, and what goes on.
func TestLimits(t *testing.T) {
	f := newForm(t)
	f.write("limits.conf", "hello.js")
	must(t, os.WriteFile(f.path("keeper.js"), []byte(keeper), 0o600))
	f.terminal().start("limits-up.sh")
	user := f.terminal()
	user.run("limits-env.sh")
	node := user.joins()
	user.says("demands a limit of each bucket", "nex", "devrun", "hello.js", "--trigger_subject=app.function")
	user.run("limits-bucket.sh")
	user.calls(node, "app")
	user.talks("talk")
	f.talksInJavaScript("ws://127.0.0.1:8080", webUser{user.env["NATS_USER"], user.env["NATS_PASSWORD"]})
	for _, name := range []string{"one", "two", "three"} {
		user.onNode(node, user.ok("nex", "devrun", "keeper.js", "--name="+name, "--trigger_subject=keep."+name))
	}
	user.answers("keep.one", "kept")
	user.answers("keep.two", "kept")
	if output, log, _ := user.finish(user.command("nats", "req", "keep.three", "")); !strings.Contains(output+log, "has as many buckets") {
		t.Errorf("the function that finds no room for its bucket answers %s%s", output, log)
	}
	user.answers("keep.one", "kept")
	user.answers("app.function", "hello from app.function")
}

// TestWithoutJetStream has an account that has none, and deploys a file of the node.
func TestWithoutJetStream(t *testing.T) {
	f := newForm(t)
	f.write("limits.conf", "without.json", "hello.js")
	must(t, os.WriteFile(f.path("keeper.js"), []byte(keeper), 0o600))
	f.terminal().start("limits-up.sh")
	user := f.terminal()
	user.run("without-env.sh")
	node := user.start("without-node.sh")
	user.set("NODE", node.Ready.NodeID)
	if told, log, _ := user.finish(user.command("nex", "node", "preflight", "--config", "without.json")); !strings.Contains(told, "Optional Dependency Missing - JetStream") {
		t.Errorf("nex node preflight says %s%s", told, log)
	}
	user.says("JetStream is not enabled", "nex", "devrun", "hello.js", "--trigger_subject=app.function")
	user.onNode(node, user.run("without-run.sh"))
	user.answers("app.hello", "hello from app.hello")
	user.ok("nex", "run", "file://"+f.path("keeper.js"), node.Ready.NodeID, "--name=keeper", "--trigger_subject=app.keeper")
	if output, log, _ := user.finish(user.command("nats", "req", "app.keeper", "")); !strings.Contains(output+log, "kv needs JetStream") {
		t.Errorf("the function that has no bucket answers %s%s", output, log)
	}
	user.ok("nex", "run", "file://"+filepath.Join(binDir, "formservice"), node.Ready.NodeID, "--name=service", "SUBJECT=app.service", "NATS_URL="+user.env["NATS_URL"],
		"NATS_USER="+user.env["NATS_USER"], "NATS_PASSWORD="+user.env["NATS_PASSWORD"])
	user.answers("app.service", "the service has got hello")
	user.talks("talk")
}

// says runs a command, which must fail with a sentence that contains something.
func (tt *terminal) says(why, program string, args ...string) {
	tt.t.Helper()
	if log := tt.fails(program, args...); !strings.Contains(log, why) {
		tt.t.Errorf("%s says %q, want %q", program, log, why)
	}
}
