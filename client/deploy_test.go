package client_test

import (
	"encoding/base64"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/claims"
)

// strict is the verifier of a node that demands bound claims of one issuer.
func strict(t *testing.T, issuer string) *claims.Verifier {
	t.Helper()
	seen, err := claims.OpenSeen(filepath.Join(t.TempDir(), "seen"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = seen.Close() })
	return &claims.Verifier{Node: nodeA, ValidIssuers: []string{issuer}, RequireBound: true, Seen: seen}
}

func TestDeploy(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Namespace: "shop"})
	issuer, issuerPublic := pair(t, nkeys.CreateAccount)
	node, xkey := pair(t, nkeys.CreateCurveKeys)
	other, _ := pair(t, nkeys.CreateCurveKeys)
	sender, senderPublic := pair(t, nkeys.CreateCurveKeys)
	want := nex.RunResponse{Started: true, ID: "w1", Issuer: issuerPublic, Name: "cart", State: nex.StateStarting}
	body := reply(t, nex.OpDeploy, want)
	requests := make(chan []byte, 1)
	r.on("$NEX.DEPLOY.shop."+nodeA, func(m *nats.Msg) {
		requests <- m.Data
		r.respond(m, body)
	})
	environment := map[string]string{"A": "1", "B": "ä = \n"}
	location := nex.Location{Scheme: nex.SchemeNATS, Host: "FILES", Path: "/cart"}
	got, err := r.client.Deploy(t.Context(), client.Deployment{
		Node: nodeA, Xkey: xkey, Issuer: issuer, Sender: sender, Name: "cart", Type: nex.TypeV8, Location: location, JSDomain: "hub",
		Digest: digest, Description: "a cart", Argv: []string{"-v", "<x>"}, Environment: environment, Essential: true, Restart: nex.RestartAlways,
		Triggers: []string{"cart.>"}, MaxConcurrency: 7, CallTimeout: 1500*time.Millisecond + 1,
		MinSandbox: nex.SandboxGVisor, MemoryMiB: 64, CPUs: 0.1,
	})
	if err != nil || got != want {
		t.Errorf("answer = %+v, %v, want %+v", got, err, want)
	}

	request, err := nex.DecodeDeployRequest(receive(t, requests))
	if err != nil {
		t.Fatal(err)
	}
	c, err := claims.Parse(request.WorkloadJWT)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != "cart" || c.Hash != digest || c.Node != nodeA || c.Namespace != "shop" || c.Request != request.Digest() ||
		c.Issuer != issuerPublic || c.Workload != "" || c.Expires.Sub(c.Issued).Round(time.Minute) != claims.Lifetime {
		t.Errorf("claims = %+v", c)
	}
	if _, err := strict(t, issuerPublic).Start(request, "shop"); err != nil {
		t.Errorf("the node would refuse the claims: %v", err)
	}
	sealed, err := base64.StdEncoding.DecodeString(request.Environment)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := node.Open(sealed, request.SenderPublicKey)
	if err != nil {
		t.Fatalf("the node cannot open the environment: %v", err)
	}
	if got := decode[map[string]string](t, plain); !maps.Equal(got, environment) {
		t.Errorf("environment = %v, want %v", got, environment)
	}
	if _, err := other.Open(sealed, request.SenderPublicKey); err == nil {
		t.Error("another node can open the environment")
	}
	request.WorkloadJWT, request.Environment = "", ""
	wantRequest := &nex.DeployRequest{
		Argv: []string{"-v", "<x>"}, Description: "a cart", Type: nex.TypeV8, Location: location, Essential: true, Restart: nex.RestartAlways, JSDomain: "hub",
		SenderPublicKey: senderPublic, TargetNode: nodeA, TriggerSubjects: []string{"cart.>"}, MaxConcurrency: 7, CallTimeoutMillis: 1501,
		MinSandbox: nex.SandboxGVisor, MemoryMiB: 64, CPUs: 0.1,
	}
	if !reflect.DeepEqual(request, wantRequest) {
		t.Errorf("request\n got %+v\nwant %+v", request, wantRequest)
	}
}

// The node is told the domain that the client has been told, unless the deployment names one, or lies elsewhere.
func TestDeployFromDomainOfClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{JSDomain: "hub"})
	issuer, _ := pair(t, nkeys.CreateAccount)
	body := reply(t, nex.OpDeploy, nex.RunResponse{Started: true, ID: "w1"})
	requests := make(chan []byte, 1)
	r.on("$NEX.DEPLOY.default."+nodeA, func(m *nats.Msg) {
		requests <- m.Data
		r.respond(m, body)
	})
	for _, tt := range []struct{ location, named, want string }{
		{"nats://FILES/cart", "", "hub"},
		{"nats://FILES/cart", "edge", "edge"},
		{"https://h/cart", "", ""},
	} {
		d := deployment(issuer)
		var err error
		if d.Location, err = nex.ParseLocation(tt.location); err != nil {
			t.Fatal(err)
		}
		d.JSDomain = tt.named
		if _, err := r.client.Deploy(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		request, err := nex.DecodeDeployRequest(receive(t, requests))
		if err != nil || request.JSDomain != tt.want {
			t.Errorf("%s, domain %q named: request says %q, %v; want %q", tt.location, tt.named, request.JSDomain, err, tt.want)
		}
	}
}

// Without an environment neither xkey is needed.
func TestDeployWithoutEnvironment(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	issuer, public := pair(t, nkeys.CreateAccount)
	body := reply(t, nex.OpDeploy, nex.RunResponse{Started: true, ID: "w1"})
	requests := make(chan []byte, 2)
	r.on("$NEX.DEPLOY.default."+nodeA, func(m *nats.Msg) {
		requests <- m.Data
		r.respond(m, body)
	})
	verifier := strict(t, public)
	for range 2 { // the same again needs other claims
		if _, err := r.client.Deploy(t.Context(), deployment(issuer)); err != nil {
			t.Fatal(err)
		}
		request, err := nex.DecodeDeployRequest(receive(t, requests))
		if err != nil {
			t.Fatal(err)
		}
		if request.Environment != "" || request.SenderPublicKey != "" {
			t.Errorf("request = %+v, want no environment", request)
		}
		if _, err := verifier.Start(request, nex.DefaultNamespace); err != nil {
			t.Errorf("the node would refuse the claims: %v", err)
		}
	}
}

// What is asked of the sandbox is signed, where anything is.
func TestDeployWithEgress(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	issuer, public := pair(t, nkeys.CreateAccount)
	body := reply(t, nex.OpDeploy, nex.RunResponse{Started: true, ID: "w1"})
	requests := make(chan []byte, 2)
	r.on("$NEX.DEPLOY.default."+nodeA, func(m *nats.Msg) {
		requests <- m.Data
		r.respond(m, body)
	})
	verifier := strict(t, public)
	for _, egress := range []nex.Egress{{}, {Allow: []string{"10.1.2.3:4222"}, Deny: []string{"*.example.com"}}} {
		d := deployment(issuer)
		d.Type, d.Egress = nex.TypeOCI, egress
		d.Location = nex.Location{Scheme: nex.SchemeOCI, Host: "registry.example.com", Path: "/team/app:1.2"}
		if _, err := r.client.Deploy(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		request, err := nex.DecodeDeployRequest(receive(t, requests))
		if err != nil {
			t.Fatal(err)
		}
		if said := request.Egress != nil; said == egress.IsZero() || said && !reflect.DeepEqual(*request.Egress, egress) {
			t.Errorf("egress = %+v, want %+v", request.Egress, egress)
		}
		if _, err := verifier.Start(request, nex.DefaultNamespace); err != nil {
			t.Errorf("the node would refuse the claims: %v", err)
		}
	}
}

// deployment is the least that can be deployed.
func deployment(issuer nkeys.KeyPair) client.Deployment {
	return client.Deployment{
		Node: nodeA, Issuer: issuer, Name: "cart", Type: nex.TypeNative, Digest: digest,
		Location: nex.Location{Scheme: nex.SchemeNATS, Host: "FILES", Path: "/cart"},
	}
}

func TestDeployRefusedHere(t *testing.T) {
	t.Parallel()
	issuer, _ := pair(t, nkeys.CreateAccount)
	user, _ := pair(t, nkeys.CreateUser)
	sender, xkey := pair(t, nkeys.CreateCurveKeys)
	environment := map[string]string{"A": "1"}
	tests := []struct {
		name      string
		namespace string
		edit      func(*client.Deployment)
		code      nex.Code
		says      string
	}{
		{"name", "", func(d *client.Deployment) { d.Name = "no.name" }, nex.CodeInvalidName, `invalid workload name "no.name"`},
		{"namespace", "no.name", nil, nex.CodeInvalidNamespace, `invalid namespace "no.name"`},
		{"the nodes' own namespace", "system", nil, nex.CodeInvalidNamespace, "reserved for the nodes"},
		{"node", "", func(d *client.Deployment) { d.Node = "x" }, nex.CodeNodeNotFound, `"x" is not a node id`},
		{"no issuer", "", func(d *client.Deployment) { d.Issuer = nil }, nex.CodeInternal, "sign claims"},
		{"no sender", "", func(d *client.Deployment) { d.Environment = environment }, nex.CodeInternal, "seal environment: an xkey to seal it with is needed"},
		{
			"no xkey", "", func(d *client.Deployment) { d.Environment, d.Sender = environment, sender },
			nex.CodeInternal, `seal environment: "" is not a public xkey`,
		},
		{
			"xkey too long", "", func(d *client.Deployment) { d.Environment, d.Sender, d.Xkey = environment, sender, xkey+xkey },
			nex.CodeInternal, "is not a public xkey: use the target_xkey that the node answers to a ping",
		},
		{
			"xkey with a bad checksum", "",
			func(d *client.Deployment) {
				d.Environment, d.Sender, d.Xkey = environment, sender, "X"+strings.Repeat("A", 55)
			},
			nex.CodeInternal, "seal environment to xkey X",
		},
		{
			"sender of another kind", "", func(d *client.Deployment) { d.Environment, d.Sender, d.Xkey = environment, user, xkey },
			nex.CodeInternal, "seal environment",
		},
		{
			"too large", "", func(d *client.Deployment) { d.Argv = []string{strings.Repeat("x", nex.MaxRequestBytes)} },
			nex.CodeRequestTooLarge, "make argv and environment smaller",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, client.Config{Namespace: tt.namespace})
			r.on("$NEX.>", func(m *nats.Msg) { t.Errorf("%s was sent", m.Subject) })
			d := deployment(issuer)
			if tt.edit != nil {
				tt.edit(&d)
			}
			answer, err := r.client.Deploy(t.Context(), d)
			if err == nil || nex.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error = %v (code %s), want code %s and %q", err, nex.CodeOf(err), tt.code, tt.says)
			}
			if answer != (nex.RunResponse{}) {
				t.Errorf("answer = %+v besides the error", answer)
			}
		})
	}
}

func TestDeployRefusedThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	issuer, _ := pair(t, nkeys.CreateAccount)
	r.on("$NEX.DEPLOY.default."+nodeA, r.answers(refusal(nex.OpDeploy, nex.ErrNodeFull)))
	_, err := r.client.Deploy(t.Context(), deployment(issuer))
	wantCode(t, err, nex.CodeNodeFull, nex.ErrNodeFull.Message)
}

func TestStop(t *testing.T) {
	t.Parallel()
	issuer, public := pair(t, nkeys.CreateAccount)
	for _, tt := range []struct {
		grace  time.Duration
		millis int
	}{
		{0, 0},
		{time.Nanosecond, 1}, // not none, which would be the default
		{1500 * time.Microsecond, 2},
		{2 * time.Second, 2000},
	} {
		t.Run(tt.grace.String(), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, client.Config{Namespace: "shop"})
			want := nex.StopResponse{Stopped: true, ID: "w1", Issuer: public, Name: "cart"}
			body := reply(t, nex.OpStop, want)
			requests := make(chan []byte, 1)
			r.on("$NEX.STOP.shop."+nodeA, func(m *nats.Msg) {
				requests <- m.Data
				r.respond(m, body)
			})
			got, err := r.client.Stop(t.Context(), client.Stopping{Node: nodeA, ID: "w1", Name: "cart", Issuer: issuer, Grace: tt.grace})
			if err != nil || got != want {
				t.Errorf("answer = %+v, %v, want %+v", got, err, want)
			}
			request, err := nex.DecodeStopRequest(receive(t, requests))
			if err != nil {
				t.Fatal(err)
			}
			if request.WorkloadID != "w1" || request.TargetNode != nodeA || request.GraceMillis != tt.millis {
				t.Errorf("request = %+v, want grace_ms %d", request, tt.millis)
			}
			c, err := strict(t, public).Stop(request, "shop")
			if err != nil {
				t.Fatalf("the node would refuse the claims: %v", err)
			}
			if c.Subject != "cart" || c.Workload != "w1" || c.Node != nodeA || c.Namespace != "shop" || c.Hash != "" || c.Request != "" {
				t.Errorf("claims = %+v", c)
			}
		})
	}
}

// A stop may take as long as its grace period, on top of the time for any request.
func TestStopWaits(t *testing.T) {
	t.Parallel()
	const timeout = 50 * time.Millisecond
	issuer, _ := pair(t, nkeys.CreateAccount)
	tests := []struct {
		name  string
		grace time.Duration
		takes time.Duration // what the node takes; for ever if 0
		code  nex.Code
		says  string
	}{
		{"within the default", 0, 4 * timeout, "", ""},
		{"within a longer one", ages, 4 * timeout, "", ""},
		{"not within a short one", time.Millisecond, 0, nex.CodeTimeout, "did not answer STOP within 51ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, client.Config{Timeout: timeout})
			body := reply(t, nex.OpStop, nex.StopResponse{Stopped: true})
			r.on("$NEX.STOP.default."+nodeA, func(m *nats.Msg) {
				if tt.takes > 0 {
					time.Sleep(tt.takes)
					r.respond(m, body)
				}
			})
			_, err := r.client.Stop(t.Context(), client.Stopping{Node: nodeA, ID: "w1", Name: "cart", Issuer: issuer, Grace: tt.grace})
			if tt.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, tt.code, tt.says)
		})
	}
}

func TestStopRefusedHere(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	issuer, _ := pair(t, nkeys.CreateAccount)
	r.on("$NEX.>", func(m *nats.Msg) { t.Errorf("%s was sent", m.Subject) })
	_, err := r.client.Stop(t.Context(), client.Stopping{Node: "x", ID: "w1", Name: "cart", Issuer: issuer})
	wantCode(t, err, nex.CodeNodeNotFound, `"x" is not a node id`)
	for name, s := range map[string]client.Stopping{
		"no issuer": {Node: nodeA, ID: "w1", Name: "cart"},
		"no name":   {Node: nodeA, ID: "w1", Issuer: issuer},
	} {
		if _, err := r.client.Stop(t.Context(), s); err == nil || !strings.Contains(err.Error(), "sign claims") {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

func TestLameDuck(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	issuer, public := pair(t, nkeys.CreateAccount)
	want := nex.LameDuckResponse{NodeID: nodeA, Success: true}
	body := reply(t, nex.OpLameDuck, want)
	requests := make(chan []byte, 1)
	r.on("$NEX.LAMEDUCK."+nodeA, func(m *nats.Msg) {
		requests <- m.Data
		r.respond(m, body)
	})
	for _, tt := range []struct {
		name   string
		exit   nex.ExitAfter
		issuer nkeys.KeyPair
		code   nex.Code // of a node with valid issuers
	}{
		{"unsigned", "", nil, nex.CodeInvalidClaims},
		{"signed", "", issuer, ""},
		{"signed, with an end", nex.ExitWhenIdle, issuer, ""},
	} {
		got, err := r.client.LameDuck(t.Context(), nodeA, tt.exit, tt.issuer)
		if err != nil || got != want {
			t.Errorf("%s: answer = %+v, %v, want %+v", tt.name, got, err, want)
		}
		request, err := nex.DecodeLameDuckRequest(receive(t, requests))
		if err != nil {
			t.Fatal(err)
		}
		if err := strict(t, public).LameDuck(request); nex.CodeOf(err) != tt.code {
			t.Errorf("%s: the node would say %v, want code %q", tt.name, err, tt.code)
		}
		if request.ExitAfter != tt.exit {
			t.Errorf("%s: exit after %q, want %q", tt.name, request.ExitAfter, tt.exit)
		}
		request.ExitAfter += "1h"
		if err := strict(t, public).LameDuck(request); nex.CodeOf(err) != nex.CodeInvalidClaims {
			t.Errorf("%s: the node would take another end: %v", tt.name, err)
		}
	}
}
