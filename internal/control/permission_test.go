package control_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/control"
	"github.com/nex-engine/nex/internal/natstest"
)

// A node that would be deaf to some requests does not start. One that nats micro cannot see does.
func TestStartWithoutPermission(t *testing.T) {
	t.Parallel()
	for denied, want := range map[string]string{
		"$NEX.STOP.>": `the user of the node may not listen for requests: allow it to subscribe, nex node preflight says to what: nats: permissions violation: Permissions Violation for Subscription to "$NEX.STOP.*.`,
		"$SRV.>":      "",
	} {
		t.Run(denied, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t, func(o *server.Options) {
				o.JetStream = false
				o.Users = []*server.User{{Username: "node", Password: "p", Permissions: &server.Permissions{
					Subscribe: &server.SubjectPermission{Deny: []string{denied}},
				}}, {Username: "all", Password: "p"}}
				o.NoAuthUser = "all"
			})
			r := rigOn(t, s)
			c := r.config
			c.Conn = natstest.Connect(t, s, nats.UserInfo("node", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
			service, err := control.Start(c)
			if err == nil {
				service.Close()
			}
			if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v\n want = %s", err, want)
			}
		})
	}
}
