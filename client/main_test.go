package client_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// An upload that is over before the library has got round to running the goroutine that watches the
	// connection for it leaves that goroutine behind, waiting on a nil channel. Nothing can be done from here.
	const watcher = "github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(watcher))
}
