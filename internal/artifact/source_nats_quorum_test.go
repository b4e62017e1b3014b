package artifact_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

// Without most of its servers a cluster has no object stores, which is told as what it is; once they are back, the
// artifact is there.
func TestObjectWithoutQuorum(t *testing.T) {
	t.Parallel()
	var routes []string
	var ports []int
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, "nats://"+l.Addr().String())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	stores := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	names := []string{"n1", "n2", "n3"}
	member := func(i int) *server.Server {
		return natstest.Run(t, func(o *server.Options) {
			o.ServerName, o.StoreDir = names[i], stores[i]
			o.Cluster = server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: ports[i]}
			o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		})
	}
	servers := []*server.Server{member(0), member(1), member(2)}
	connect := func() *nats.Conn { return natstest.Connect(t, servers[0]) }
	nc := connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("artifact")
	nextest.Await(t, "the cluster has a leader", func() bool {
		_, err := js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "b", Replicas: 3})
		return err == nil || errors.Is(err, jetstream.ErrBucketExists)
	})
	nextest.Await(t, "the bucket takes an object", func() bool {
		store, err := js.ObjectStore(t.Context(), "b")
		if err == nil {
			_, err = store.PutBytes(t.Context(), "k", body)
		}
		return err == nil
	})
	for _, s := range servers {
		s.Shutdown()
		s.WaitForShutdown()
	}
	servers[0] = member(0) // a server that has led goes on to answer who reads; one that begins alone cannot
	cache := open(t, artifact.Config{NATS: []*nats.Conn{connect()}, Stall: time.Second})
	ref := artifact.Ref{Location: natsLocation("b", "k"), Digest: digest(body)}
	nextest.Await(t, "the cluster has no leader", func() bool {
		_, err := cache.Check(t.Context(), ref)
		if err == nil || nex.CodeOf(err) != nex.CodeArtifactUnavailable {
			return false
		}
		return strings.Contains(err.Error(), "is unavailable: JetStream has no leader, because too many servers of its cluster are away: it goes on once most of them are back")
	})
	member(1)
	nextest.Await(t, "the artifact is there again", func() bool {
		_, err := cache.Check(t.Context(), ref)
		return err == nil
	})
}
