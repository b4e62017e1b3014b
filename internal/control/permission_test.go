package control_test

import (
	"bytes"
	"net"
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

// eager is a connection on which something is published right before the answer to a PING is waited for.
type eager struct {
	net.Conn
	proto []byte // of what is published
	since string // from when on: something that was sent before
	begun bool
}

func (e *eager) Write(b []byte) (int, error) {
	e.begun = e.begun || bytes.Contains(b, []byte(e.since))
	if !e.begun {
		return e.Conn.Write(b)
	}
	ping := []byte("PING\r\n")
	if _, err := e.Conn.Write(bytes.Replace(b, ping, append(bytes.Clone(e.proto), ping...), 1)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Dial makes it the connection's dialer.
func (e *eager) Dial(network, address string) (conn net.Conn, err error) {
	e.Conn, err = net.Dial(network, address)
	return e, err
}

// The control connection has the node's log and events as well. That these are refused does not hide that requests are.
func TestStartWhileOthersAreRefused(t *testing.T) {
	t.Parallel()
	for denied, want := range map[string]string{
		"$NEX.DEPLOY.>": `may not listen for requests: allow it to subscribe, nex node preflight says to what: nats: permissions violation: Permissions Violation for Subscription to "$NEX.DEPLOY.*.`,
		"none":          "",
	} {
		t.Run(denied, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t, func(o *server.Options) {
				o.JetStream = false
				o.Users = []*server.User{{Username: "node", Password: "p", Permissions: &server.Permissions{
					Subscribe: &server.SubjectPermission{Deny: []string{denied}},
					Publish:   &server.SubjectPermission{Deny: []string{"$NEX.logs.>"}},
				}}, {Username: "all", Password: "p"}}
				o.NoAuthUser = "all"
			})
			r := rigOn(t, s)
			refused := make(chan error, 10)
			c := r.config
			c.Conn = natstest.Connect(
				t, s, nats.UserInfo("node", "p"),
				nats.SetCustomDialer(&eager{proto: []byte("PUB $NEX.logs.x 0\r\n\r\n"), since: "$NEX.LAMEDUCK"}),
				nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }),
			)
			service, err := control.Start(c)
			if err == nil {
				service.Close()
			}
			if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v\n want = %s", err, want)
			}
			for err := range refused { // the connection's own handler is told of both
				if strings.Contains(err.Error(), `Publish to "$NEX.logs.x"`) {
					break
				}
			}
		})
	}
}
