package control_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"testing"

	"github.com/nats-io/jwt/v2"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/workload"
)

// classicClaims are as version 1 clients sign them: no expiry, and nothing but the digest in data.
func (r *rig) classicClaims(name, hash string) string {
	r.t.Helper()
	g := jwt.NewGenericClaims(name)
	if hash != "" {
		g.Data["hash"] = hash
	}
	token, err := g.Encode(r.issuer)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// classicDeployment is the body that a version 1 client sends, every field of it.
func (r *rig) classicDeployment(hash string) []byte {
	r.t.Helper()
	location, err := json.Marshal(&url.URL{Scheme: "nats", Host: "NEXCLIFILES", Path: "/echoservice"})
	if err != nil {
		r.t.Fatal(err)
	}
	environment, sender := r.seal(map[string]string{"COLOUR": "blue"})
	return encode(r.t, map[string]any{
		"argv": []string{"--port", "8080"}, "description": "Workload published in devmode", "type": "native",
		"location": json.RawMessage(location), "essential": true, "workload_jwt": r.classicClaims("echoservice", hash),
		"environment": environment, "jsdomain": "hub", "sender_public_key": sender, "target_node": r.node,
		"trigger_subjects":   nil,
		"trigger_connection": map[string]string{"nats_url": "", "nats_user_jwt": "", "nats_user_seed": ""},
		"retry_count":        2, "retried_at": "2024-05-06T07:08:09Z", "host_services": nil, "hash": hash,
	})
}

func TestClassicDeploy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	msg := r.ask(r.subject(nex.OpDeploy), r.classicDeployment(digest))
	if got := msg.Header.Get("Nats-Service-Error"); got != "" {
		t.Fatalf("refused: %s", got)
	}
	specs := r.work.deployed()
	if len(specs) != 1 || specs[0].ID == "" {
		t.Fatalf("deployed %+v, want one with an id", specs)
	}
	specs[0].ID = ""
	want := workload.Spec{
		Name: "echoservice", Namespace: namespace, Description: "Workload published in devmode", Type: nex.TypeNative, Essential: true, Restart: nex.RestartAlways,
		Issuer: r.public(r.issuer), Location: nex.Location{Scheme: "nats", Host: "NEXCLIFILES", Path: "/echoservice"}, JSDomain: "hub",
		Digest: digest, Argv: []string{"--port", "8080"}, Environment: map[string]string{"COLOUR": "blue"},
	}
	if !reflect.DeepEqual(specs[0], want) {
		t.Errorf("spec\n got %+v\nwant %+v", specs[0], want)
	}
}

func TestClassicStop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := encode(t, map[string]string{"workload_id": "w1", "workload_jwt": r.classicClaims("echoservice", ""), "target_node": r.node})
	r.wantReply(r.ask(r.subject(nex.OpStop), body),
		`{"type":"io.nats.nex.v1.stop_response","data":{"stopped":true,"id":"w1","issuer":"ISSUER","name":"echoservice"},"error":null}`)
}

func TestClassicClaimsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.config.Verifier.RequireBound = true })
	const text = "the claims are not bound to node, namespace and time: use a newer client, or set require_bound_claims to false on the node"
	r.wantRefusal(r.ask(r.subject(nex.OpDeploy), r.classicDeployment(digest)), nex.OpDeploy, nex.CodeUnboundClaims, text)
	body := encode(t, map[string]string{"workload_id": "w1", "workload_jwt": r.classicClaims("echoservice", "")})
	r.wantRefusal(r.ask(r.subject(nex.OpStop), body), nex.OpStop, nex.CodeUnboundClaims, text)
}

func TestHashThatIsNoDigest(t *testing.T) {
	t.Parallel()
	const hash = "echoservice-1.2.3"
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.wantRefusal(r.ask(r.subject(nex.OpDeploy), r.classicDeployment(hash)), nex.OpDeploy, nex.CodeInvalidClaims,
			"the claims' data.hash is not a sha256 in hex: sign the digest of the artifact, or set allow_unverified_artifacts on the node")
	})
	t.Run("allowed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(r *rig) { r.config.Verifier.AllowUnverified = true })
		r.ask(r.subject(nex.OpDeploy), r.classicDeployment(hash))
		specs := r.work.deployed()
		if len(specs) != 1 || specs[0].Digest != "" {
			t.Errorf("deployed %+v, want one whose digest is not verified", specs)
		}
	})
}
