package natsforms_test

// This file is about users and accounts that an operator signs, made by nsc.

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/nextest"
)

// proveOperator is about accounts that an operator has signed, and that the server takes while it runs.
func proveOperator(r *row) {
	r.oneGroup()
	app := r.nex.with("NATS_CREDS=app.creds")
	app.answers("app.function", "hello from app.function")
	app.onlyUses()
	r.nex.with("NATS_CREDS=").refused("wants credentials")

	// Whom another operator has signed is a stranger, though of the same name.
	stranger := r.terminal()
	stranger.ok("sh", "-ec", "mkdir other; cd other\n"+block(r.t, "operator.sh"))
	r.nex.with("NATS_CREDS=other/nex.creds").refused("refuses")

	// An account that is pushed later is one of its own.
	r.operator.run("operator-push.sh")
	guest := r.nex.with("NATS_CREDS=guest.creds")
	guest.talks("app")
	guest.nobody("app.function")
	guest.nobody("$NEX.PING")
	closed := make(chan struct{})
	guest.connect(nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	r.operator.run("operator-revoke.sh")
	select {
	case <-closed:
	case <-time.After(nextest.Patience):
		r.t.Error("who is connected stays although the user was revoked")
	}
	guest.refused("refuses")
}
