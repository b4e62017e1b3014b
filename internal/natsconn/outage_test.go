package natsconn_test

import (
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natstest"
)

// foundWithin is how soon a connection is back once its server is.
const foundWithin = 2 * time.Second

// broken is a resolver that fails as long as it is down.
type broken struct{ down atomic.Bool }

// Dial implements nats.CustomDialer.
func (b *broken) Dial(network, address string) (net.Conn, error) {
	if b.down.Load() {
		return nil, &net.DNSError{Err: "server misbehaving", Name: address, IsTemporary: true}
	}
	return net.Dial(network, address)
}

// A long-lived connection looks for its server for ever, whatever goes wrong meanwhile, is back soon after
// it, and brings its subscriptions along.
func TestOutages(t *testing.T) {
	t.Parallel()
	const away = time.Second // pauses between attempts have become as long as they do
	user := func(o *server.Options) { o.Username, o.Password = "u", "p" }
	tests := []struct {
		name string
		// outage runs between the end of the first server and the start of the second.
		outage func(t *testing.T, port int, names *broken)
	}{
		{"the server is away", func(*testing.T, int, *broken) { time.Sleep(away) }},
		{"another refuses the user for a while", func(t *testing.T, port int, _ *broken) {
			refused := make(chan struct{}, 100)
			other := natstest.Run(t, func(o *server.Options) {
				o.Port, o.JetStream = port, false
				o.CustomClientAuthentication = refuse(refused)
			})
			for range 4 { // twice is what the library gives up after by itself
				<-refused
			}
			other.Shutdown()
			other.WaitForShutdown()
		}},
		{"its name is not resolved", func(_ *testing.T, _ int, names *broken) {
			names.down.Store(true)
			time.Sleep(away)
			names.down.Store(false)
		}},
		{"something else answers", func(t *testing.T, port int, _ *broken) {
			l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				c, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				_, _ = c.Write([]byte("SSH-2.0-OpenSSH\r\n"))
				_ = c.Close()
			}
			_ = l.Close()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t, user, func(o *server.Options) { o.JetStream = false })
			port, names := s.Addr().(*net.TCPAddr).Port, &broken{}
			options := append(natsconn.Settings{}.LongLived(slog.New(slog.DiscardHandler)), nats.SetCustomDialer(names))
			nc := connects(t, natsconn.Settings{Server: s.ClientURL(), User: "u", Password: "p", NoContext: true}, options...)
			if _, err := nc.Subscribe("ask", func(m *nats.Msg) { _ = m.Respond(nil) }); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			back := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
			defer nc.RemoveStatusListener(back)
			s.Shutdown()
			s.WaitForShutdown()
			tt.outage(t, port, names)
			s = natstest.Run(t, user, func(o *server.Options) { o.Port, o.JetStream = port, false })
			began := time.Now()
			if got := <-back; got != nats.CONNECTED {
				t.Fatalf("the connection is %s", got)
			}
			if took := time.Since(began); took > foundWithin {
				t.Errorf("the connection was back after %s, want %s", took, foundWithin)
			}
			if err := nc.Flush(); err != nil { // the subscription is made before
				t.Fatal(err)
			}
			client := natstest.Connect(t, s, nats.UserInfo("u", "p"))
			if _, err := client.Request("ask", nil, within); err != nil {
				t.Errorf("the subscription is not back: %v", err)
			}
		})
	}
}

// refuse refuses all users and tells of each.
type refuse chan struct{}

// Check implements server.Authentication.
func (r refuse) Check(server.ClientAuthentication) bool {
	select {
	case r <- struct{}{}:
	default:
	}
	return false
}

// A connection whose server goes finds another of the cluster, though it was told of one alone.
func TestAnotherServerOfTheCluster(t *testing.T) {
	t.Parallel()
	member := func(routes ...string) *server.Server {
		return natstest.Run(t, func(o *server.Options) {
			o.JetStream = false
			o.Cluster = server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: server.RANDOM_PORT}
			o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		})
	}
	first := member()
	second := member("nats://" + first.ClusterAddr().String())
	nc := connects(t, natsconn.Settings{Server: first.ClientURL(), NoContext: true}, natsconn.Settings{}.LongLived(slog.New(slog.DiscardHandler))...)
	deadline := time.Now().Add(within)
	for len(nc.DiscoveredServers()) == 0 { // the library tells of that only if there were others before
		if time.Now().After(deadline) {
			t.Fatal("the connection was not told of the other server")
		}
		time.Sleep(time.Millisecond)
	}
	back := nc.StatusChanged(nats.CONNECTED)
	defer nc.RemoveStatusListener(back)
	began := time.Now()
	first.Shutdown()
	<-back
	if took := time.Since(began); took > foundWithin {
		t.Errorf("the connection was back after %s, want %s", took, foundWithin)
	}
	if err := nc.Flush(); err != nil || nc.ConnectedServerId() != second.ID() {
		t.Errorf("connected to %s, %v, want the other server", nc.ConnectedServerId(), err)
	}
}
