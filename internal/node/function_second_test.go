package node_test

import (
	"net"
	"os"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/natsconn/conntest"
	"github.com/nex-engine/nex/internal/natstest"
)

// second is a NATS server that trusts an operator, and a user there.
type second struct {
	testing.TB
	server    *server.Server
	options   func(*server.Options)
	jwt, seed string
}

// newSecond starts the server; each edit may change what the user may do.
func newSecond(t testing.TB, edit ...func(*jwt.UserClaims)) *second {
	t.Helper()
	operator := conntest.NewOperator(t)
	creds, err := os.ReadFile(operator.Creds(t, edit...))
	if err != nil {
		t.Fatal(err)
	}
	s := &second{TB: t}
	if s.jwt, err = jwt.ParseDecoratedJWT(creds); err != nil {
		t.Fatal(err)
	}
	user, err := jwt.ParseDecoratedUserNKey(creds)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	s.seed = string(seed)
	trusted, err := jwt.DecodeOperatorClaims(operator.JWT)
	if err != nil {
		t.Fatal(err)
	}
	var port int
	var store string
	s.options = func(o *server.Options) {
		resolver := &server.MemAccResolver{}
		for id, token := range map[string]string{operator.AccountID: operator.AccountJWT, operator.SystemID: operator.SystemJWT} {
			if err := resolver.Store(id, token); err != nil {
				t.Fatal(err)
			}
		}
		o.TrustedOperators, o.SystemAccount, o.AccountResolver = []*jwt.OperatorClaims{trusted}, operator.SystemID, resolver
		if port == 0 {
			store = o.StoreDir
			return
		}
		o.Port, o.StoreDir = port, store
	}
	s.server = natstest.Run(t, s.options)
	port = s.server.Addr().(*net.TCPAddr).Port
	return s
}

// restart puts another server in the place of the one that runs.
func (s *second) restart() {
	s.Helper()
	s.server.Shutdown()
	s.server.WaitForShutdown()
	s.server = natstest.Run(s.TB, s.options)
}

func (s *second) connect(options ...nats.Option) *nats.Conn {
	s.Helper()
	return natstest.Connect(s.TB, s.server, append(options, nats.UserJWTAndSeed(s.jwt, s.seed))...)
}

func (s *second) connection() *nex.Connection {
	return &nex.Connection{URL: s.server.ClientURL(), UserJWT: s.jwt, UserSeed: s.seed}
}

func (s *second) triggers(q *nex.DeployRequest)     { q.TriggerConnection = s.connection() }
func (s *second) hostServices(q *nex.DeployRequest) { q.HostServices = s.connection() }

// deployWith deploys with what client.Deployment has no fields for.
func (r *rig) deployWith(d client.Deployment, change func(*nex.DeployRequest)) string {
	r.Helper()
	var answer nex.RunResponse
	reply := r.send(nex.OpDeploy, nex.DefaultNamespace, r.signedWith(d, change))
	if err := nex.DecodeReply(nex.ResponseType(nex.OpDeploy), reply.Data, &answer); err != nil {
		r.Fatalf("deploy %s: %v", d.Name, err)
	}
	r.awaitState(answer.ID, nex.StateRunning)
	return answer.ID
}

func (r *rig) signedWith(d client.Deployment, change func(*nex.DeployRequest)) []byte {
	r.Helper()
	q := &nex.DeployRequest{Type: d.Type, Location: d.Location, TargetNode: d.Node, TriggerSubjects: d.Triggers}
	change(q)
	return r.sign(q, d.Issuer, claims.Claims{
		Subject: d.Name, Hash: d.Digest, Node: d.Node, Namespace: nex.DefaultNamespace, Request: q.Digest(),
	})
}

func seed(t testing.TB) string {
	t.Helper()
	seed, err := newKey(t, nkeys.CreateUser).Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}
