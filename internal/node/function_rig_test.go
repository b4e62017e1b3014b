package node_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/nextest"
)

// inTime bounds the wait for the answer to a call, however the function behaves: its time, which is
// shorter in tests, and what stopping it takes on a busy machine.
const inTime = 10 * time.Second

// function is a deployment of a function that answers on a subject.
func (r *rig) function(kind nex.WorkloadType, name, subject string, content []byte) client.Deployment {
	r.Helper()
	path := filepath.Join(r.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		r.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return client.Deployment{
		Node: r.node.NodeID, Xkey: r.node.TargetXkey, Issuer: r.issuer, Sender: r.xkey, Name: name, Type: kind,
		Location: nex.Location{Scheme: nex.SchemeFile, Path: path}, Digest: hex.EncodeToString(sum[:]), Triggers: []string{subject},
	}
}

// js is a deployment of a JavaScript function.
func (r *rig) js(name, subject, source string) client.Deployment {
	r.Helper()
	return r.function(nex.TypeV8, name, subject, []byte(source))
}

const echoSource = `(subject, payload) => payload`

// neighbour deploys a function that must not notice what happens to others; see answering.
func (r *rig) neighbour() {
	r.Helper()
	r.deploy(r.js("neighbour", "neighbour.echo", echoSource))
	r.neighbours++
}

// answering proves that the neighbour answers.
func (r *rig) answering() {
	r.Helper()
	r.gives("neighbour.echo", "hey", "hey")
}

// call calls a function.
func (r *rig) call(subject, payload string) *nats.Msg {
	r.Helper()
	m, err := r.nc.Request(subject, []byte(payload), inTime)
	if err != nil {
		r.Fatalf("call of %s with %.40q: %v", subject, payload, err)
	}
	return m
}

// gives checks the result of a call.
func (r *rig) gives(subject, payload, want string) {
	r.Helper()
	m := r.call(subject, payload)
	if message := m.Header.Get(micro.ErrorHeader); message != "" || string(m.Data) != want {
		r.Errorf("%s answers %.40q with %.100q (%s), want %q", subject, payload, m.Data, message, want)
	}
}

// fails checks that a call fails, with a sentence that contains the text.
func (r *rig) fails(subject, payload string, status int, text string) {
	r.Helper()
	r.failed(r.call(subject, payload), status, text)
}

// failed checks that an answer is a failure, and is told in the headers that NATS services use.
func (r *rig) failed(m *nats.Msg, status int, text string) {
	r.Helper()
	code, message := m.Header.Get(micro.ErrorCodeHeader), m.Header.Get(micro.ErrorHeader)
	if code != strconv.Itoa(status) || !strings.Contains(message, text) || !strings.Contains(string(m.Data), text) {
		r.Errorf("answer = %.100q with code %q and error %q, want %d and %q", m.Data, code, message, status, text)
	}
}

// restarts is how often a workload was started again.
func (r *rig) restarts(id string) int {
	r.Helper()
	m, there := r.workload(id)
	if !there {
		r.Fatalf("workload %s is gone", id)
	}
	return m.Restarts
}

// eventuallyGives waits for a function that is being started again.
func (r *rig) eventuallyGives(subject, payload, want string) {
	r.Helper()
	nextest.Await(r, subject+" answers", func() bool {
		m, err := r.nc.Request(subject, []byte(payload), inTime)
		return err == nil && m.Header.Get(micro.ErrorHeader) == "" && string(m.Data) == want
	})
}

// unloadable checks that a deployment is refused as no function, in a sentence that contains the texts.
func (r *rig) unloadable(d client.Deployment, texts ...string) {
	r.Helper()
	var said string
	switch answer, err := r.client.Deploy(r.Context(), d); {
	case err == nil: // the machine is so busy that it is not known yet
		said = r.awaitState(answer.ID, nex.StateFailed).Reason
	case nex.CodeOf(err) != nex.CodeInvalidFunction:
		r.Fatalf("deploy: %v (%s), want code %s", err, nex.CodeOf(err), nex.CodeInvalidFunction)
	default:
		said = err.Error()
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			r.Errorf("deploy: %s, want it to contain %q", said, text)
		}
	}
}

// gate holds calls of a function until it is opened.
type gate struct {
	*rig
	sub *nats.Subscription
}

// gated waits for the gate, and then echoes.
const gated = `async (subject, payload) => {
	await hostServices.promises.messaging.request("gate", "", { timeout: 60000 });
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
