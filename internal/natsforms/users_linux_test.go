package natsforms_test

// This file is about forms that say who may connect, and what a user may do: passwords, tokens, nkeys, permissions,
// accounts.

import (
	"strings"

	"github.com/nex-engine/nex/internal/nextest"
)

func provePassword(r *row) {
	r.bothNodes()
	app := r.nex.with("NATS_USER=app", "NATS_PASSWORD=change-me-too")
	app.answers("app.function", "hello from app.function")
	app.onlyUses()
	r.hidden(app)
	r.nex.with("NATS_PASSWORD=change-me-too").refused("refuses")
	r.nex.with("NATS_USER=", "NATS_PASSWORD=").refused("wants credentials")
}

// hidden proves that whoever subscribes to everything does not hear what is said to nodes.
func (r *row) hidden(app *terminal) {
	r.t.Helper()
	inApp, inNex := app.connect(), r.nex.connect()
	all, err := inApp.SubscribeSync(">")
	must(r.t, err, inApp.Flush())
	_, err = inNex.Request("$NEX.PING", nil, nextest.Patience)
	must(r.t, err, inNex.Publish("app.last", nil))
	for {
		m, err := all.NextMsg(nextest.Patience)
		must(r.t, err)
		switch {
		case strings.HasPrefix(m.Subject, "$NEX."):
			r.t.Errorf("%s is heard by everybody", m.Subject)
		case m.Subject == "app.last":
			return
		}
	}
}

func proveToken(r *row) {
	r.bothNodes()
	// The nats command line and Nex take it as a user without a password as well.
	r.nex.with("NATS_TOKEN=", "NATS_USER="+r.nex.env["NATS_TOKEN"]).answers("app.function", "hello")
	r.nex.with("NATS_TOKEN=another").refused("refuses")
	r.nex.with("NATS_TOKEN=").refused("wants credentials")
}

func proveNKey(r *row) {
	r.bothNodes()
	app := r.nex.with("NATS_NKEY=app.nk")
	app.answers("app.function", "hello from app.function")
	app.onlyUses()
	r.nex.ok("nats", "auth", "nkey", "gen", "user", "--output", "stranger.nk")
	r.nex.with("NATS_NKEY=stranger.nk").refused("refuses")
	r.nex.with("NATS_NKEY=").refused("wants credentials")
}

// proveSubjects is about a user who may do what is said and nothing else.
func proveSubjects(r *row) {
	r.bothNodes()
	app := r.terminal()
	app.run("subjects-app.sh")
	app.answers("app.function", "hello from app.function")
	app.answers("app.service", "the service has got hello")
	app.talks("app.among-us")
	for _, subject := range []string{"$NEX.PING", "orders.new", "$JS.API.INFO", "$SYS.REQ.SERVER.PING", "_INBOX.of.others"} {
		app.denied(subject)
	}
	app.unheard("_INBOX.>")
	app.onlyUses()
	r.nex.with("NATS_PASSWORD=wrong").refused("refuses")
}

func proveAccounts(r *row) {
	r.oneGroup()
	app := r.terminal()
	app.run("accounts-app.sh")
	app.talks("local") // among those of the account
	app.answers("app.function", "hello from app.function")
	app.answers("app.service", "the service has got hello")

	r.nex.run("accounts-direct.sh")
	app.answers("direct.hello", "hello from direct.hello")
	r.nex.nobody("direct.hello")

	// A stream of messages comes along, one way.
	inApp, inNex := app.connect(), r.nex.connect()
	news, err := inApp.SubscribeSync("news.>")
	must(r.t, err, inApp.Flush(), inNex.Publish("news.today", []byte("good news")))
	m, err := news.NextMsg(nextest.Patience)
	must(r.t, err)
	if m.Subject != "news.today" || string(m.Data) != "good news" {
		r.t.Errorf("got %s: %s", m.Subject, m.Data)
	}

	other := app.with("NATS_USER=other", "NATS_PASSWORD=change-me-as-well")
	other.talks("local")
	other.nobody("app.function")
	other.nobody("app.service")
	for _, tt := range []*terminal{app, other} {
		tt.nobody("$NEX.PING")
		if log := tt.fails("nex", "devrun", "hello.js", "--trigger_subject=app.more"); !strings.Contains(log, "no node answers") {
			r.t.Errorf("deployed from another account: %s", log)
		}
	}
	r.nex.with("NATS_PASSWORD=change-me-too").refused("refuses")
	r.nex.with("NATS_USER=", "NATS_PASSWORD=").refused("wants credentials")
}
