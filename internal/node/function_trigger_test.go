package node_test

import (
	"encoding/json"
	"net"
	"os"
	"strings"
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
	"github.com/nex-engine/nex/internal/nextest"
)

func TestTriggersThatAreDenied(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.DenyTriggerSubjects = []string{"private.>"} })
	for _, subject := range []string{"$SYS.x", "$NEX.PING", "$JS.API.INFO", "_INBOX.>", ">", "private.part", "*.part"} {
		_, err := r.client.Deploy(t.Context(), r.js("bad", subject, echoSource))
		if nex.CodeOf(err) != nex.CodeTriggerDenied || !strings.Contains(err.Error(), subject) {
			t.Errorf("deploy with trigger %s: %v (%s), want code %s", subject, err, nex.CodeOf(err), nex.CodeTriggerDenied)
		}
	}
	r.unharmed()
}

// gate holds calls of a function until it is opened.
type gate struct {
	*rig
	sub *nats.Subscription
}

// gated waits for the gate, and then echoes.
const gated = `async (subject, payload) => {
	await hostServices.promises.messaging.request("gate", "");
	return payload;
}`

func (r *rig) gate() gate {
	r.Helper()
	sub, err := r.nc.SubscribeSync("gate")
	if err != nil {
		r.Fatal(err)
	}
	return gate{r, sub}
}

// await waits until a further call has come to the gate, and returns what opens it.
func (g gate) await() (open func()) {
	g.Helper()
	m, err := g.sub.NextMsg(patience)
	if err != nil {
		g.Fatalf("no call has come to the gate: %v", err)
	}
	return func() {
		g.Helper()
		if err := m.Respond(nil); err != nil {
			g.Error(err)
		}
	}
}

// send sends calls without waiting for the answers, which come to the subscription.
func (r *rig) sendCalls(subject string, calls int) *nats.Subscription {
	r.Helper()
	inbox := r.nc.NewInbox()
	answers, err := r.nc.SubscribeSync(inbox)
	if err != nil {
		r.Fatal(err)
	}
	for range calls {
		if err := r.nc.PublishRequest(subject, inbox, []byte("hey")); err != nil {
			r.Fatal(err)
		}
	}
	return answers
}

func (r *rig) next(answers *nats.Subscription) *nats.Msg {
	r.Helper()
	m, err := answers.NextMsg(inTime)
	if err != nil {
		r.Fatalf("answer: %v", err)
	}
	return m
}

// TestTooManyCalls shows that what is too much is refused at once, and the rest answered.
func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	r := start(t, patient, func(s *setup) { s.Functions.MaxConcurrency, s.Functions.QueueSize = 1, 2 })
	d := r.js("gated", "gated", gated)
	id := r.deploy(d)
	g := r.gate()
	answers := r.sendCalls("gated", 10)
	for range 7 {
		r.failed(r.next(answers), 503, "3 calls under way")
	}
	for range 3 {
		open := g.await()
		r.seen(g.sub, 0) // one at a time
		open()
		if m := r.next(answers); string(m.Data) != "hey" {
			t.Errorf("answer = %q with %v", m.Data, m.Header)
		}
	}
	m, _ := r.workload(id)
	if c := m.Calls; c == nil || c.Total != 10 || c.Errors != 7 || c.Refused != 7 || c.InFlight != 0 {
		t.Errorf("calls = %+v", c)
	}
	r.undeploy(d, id)
	r.unharmed()
}

// TestStopAnswersWhatHasArrived shows that a stop waits for the calls under way, takes no more, and
// loses none.
func TestStopAnswersWhatHasArrived(t *testing.T) {
	t.Parallel()
	r := start(t, patient, func(s *setup) { s.Functions.MaxConcurrency = 2 })
	d := r.js("gated", "gated", gated)
	id := r.deploy(d)
	g := r.gate()
	answers := r.sendCalls("gated", 5)
	open := []func(){g.await(), g.await()}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.undeployWithin(d, id, inTime)
	}()
	nextest.Await(t, "no more calls are taken", func() bool { return !r.server.GlobalAccount().SubscriptionInterest("gated") })
	for range 3 {
		open[0]()
		open = append(open[1:], g.await())
	}
	for _, o := range open {
		o()
	}
	for range 5 {
		if m := r.next(answers); string(m.Data) != "hey" {
			t.Errorf("answer = %q with %v", m.Data, m.Header)
		}
	}
	<-stopped
	r.unharmed()
}

// second is a NATS server that trusts an operator, and a user there.
type second struct {
	testing.TB
	server    *server.Server
	options   func(*server.Options)
	jwt, seed string
}

func newSecond(t testing.TB) *second {
	t.Helper()
	operator := conntest.NewOperator(t)
	creds, err := os.ReadFile(operator.Creds(t))
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
	claims, err := jwt.DecodeOperatorClaims(operator.JWT)
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
		o.TrustedOperators, o.SystemAccount, o.AccountResolver = []*jwt.OperatorClaims{claims}, operator.SystemID, resolver
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

// TestTriggersElsewhere shows that a function can be called on another server than the node's, also
// after that one was away.
func TestTriggersElsewhere(t *testing.T) {
	t.Parallel()
	second := newSecond(t)
	r := start(t)
	d := r.js("echo", "js.echo", echoSource)
	id := r.deployWith(d, second.triggers)
	there := *r
	there.nc = second.connect(nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait))
	there.gives("js.echo", "hey", "hey")
	if _, err := r.nc.Request("js.echo", nil, patience); err != nats.ErrNoResponders {
		t.Errorf("call on the node's own server: %v, want %v", err, nats.ErrNoResponders)
	}
	second.restart()
	there.eventuallyGives("js.echo", "again", "again")
	if n := r.restarts(id); n != 0 {
		t.Errorf("the function was restarted %d times", n)
	}
	r.undeploy(d, id)
	if _, err := there.nc.Request("js.echo", nil, patience); err != nats.ErrNoResponders {
		t.Errorf("call after the stop: %v, want %v", err, nats.ErrNoResponders)
	}
	r.unharmed()
}

// TestConnectionsThatCannotBeMade shows that who deploys is told which, and that nothing is left of the
// other.
func TestConnectionsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	second := newSecond(t)
	stranger := second.connection()
	stranger.UserSeed = seed(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := &nex.Connection{URL: "nats://" + closed.Addr().String()}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	r := start(t)
	for _, c := range []struct {
		name   string
		change func(*nex.DeployRequest)
		text   string
	}{
		{"triggers", func(q *nex.DeployRequest) { q.TriggerConnection = nobody }, "the connection for the triggers of echo could not be made"},
		{"host services", func(q *nex.DeployRequest) { q.TriggerConnection, q.HostServices = second.connection(), nobody }, "the connection for the host services of echo could not be made"},
		{"no right", func(q *nex.DeployRequest) { q.TriggerConnection = stranger }, "refuses the user JWT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			body := in.signedWith(in.js("echo", "js.echo", echoSource), c.change)
			in.refused(nex.OpDeploy, in.send(nex.OpDeploy, nex.DefaultNamespace, body), nex.CodeConnectionFailed, c.text)
			if strings.Contains(in.log.String(), stranger.UserSeed) || strings.Contains(in.log.String(), second.seed) {
				t.Error("the node's log has a seed")
			}
			in.clean()
		})
	}
	nextest.Await(t, "no connection is left", func() bool { return second.server.NumClients() == 0 })
	r.unharmed()
}

func seed(t testing.TB) string {
	t.Helper()
	seed, err := newKey(t, nkeys.CreateUser).Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}

// streams are the names of the streams on the node's server.
func (r *rig) streams() []string {
	r.Helper()
	m, err := r.nc.Request("$JS.API.STREAM.NAMES", nil, patience)
	if err != nil {
		r.Fatal(err)
	}
	var list struct{ Streams []string }
	if err := json.Unmarshal(m.Data, &list); err != nil {
		r.Fatal(err)
	}
	return list.Streams
}

// inNamespace is a client in another namespace.
func (r *rig) inNamespace(name string) *client.Client {
	return client.New(r.nc, client.Config{Namespace: name, Timeout: patience})
}
