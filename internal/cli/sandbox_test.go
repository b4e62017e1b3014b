package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/cli"
	"github.com/nex-engine/nex/internal/natstest"
)

func TestMebibyte(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0MiB", "256": "256MiB", "256MiB": "256MiB", "256m": "256MiB", "1GiB": "1GiB", " 1536 mib ": "1536MiB",
		"2g": "2GiB", "1TiB": "1TiB", "1024": "1GiB",
	} {
		var m cli.Mebibyte
		if err := m.UnmarshalText([]byte(text)); err != nil || m.String() != want {
			t.Errorf("%q is %s, %v, want %s", text, m, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "1.5GiB", "-1", "1KiB", "1GB", "1e3", "0x10", "9999999999999999999", "9999999999TiB", "1 2"} {
		var m cli.Mebibyte
		if err := m.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "256MiB") {
			t.Errorf("%q is %s, %v, want an error that says how to write it", text, m, err)
		}
	}
}

func TestImageName(t *testing.T) {
	for location, want := range map[string]string{
		"/app": "app", "/team/app:1.2": "app", "/app@sha256:0123": "app", "/app:1@sha256:0123": "app",
		"/srv/images/my_app.tar": "my_app", "registry:5000/app": "app", "/layout.d": "layoutd", "/": "",
	} {
		if got := cli.ImageName(location); got != want {
			t.Errorf("%s is called %q, want %q", location, got, want)
		}
	}
}

// playedNode answers auctions, pings and deployments as a node with sandboxes, and hands out what it is
// asked.
func playedNode(t *testing.T) (id, url string, auctions chan nex.AuctionRequest, deployments chan *nex.DeployRequest) {
	t.Helper()
	s := natstest.Run(t, func(o *server.Options) { o.JetStream = false })
	nc := natstest.Connect(t, s)
	key, err := nkeys.CreateServer()
	if err != nil {
		t.Fatal(err)
	}
	if id, err = key.PublicKey(); err != nil {
		t.Fatal(err)
	}
	curve, err := nkeys.CreateCurveKeys()
	if err != nil {
		t.Fatal(err)
	}
	xkey, err := curve.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	auctions, deployments = make(chan nex.AuctionRequest, 1), make(chan *nex.DeployRequest, 1)
	ping := nex.PingResponse{NodeID: id, TargetXkey: xkey, Tags: map[string]string{
		nex.TagOS: "linux", nex.TagArch: "arm64", nex.TagSandbox: "gvisor",
	}}
	on := func(r nex.Request, answer any, hear func([]byte)) {
		body, err := nex.EncodeReply(nex.ResponseType(r.Op), answer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = nc.Subscribe(r.Subject(), func(m *nats.Msg) {
			hear(m.Data)
			if err := m.Respond(body); err != nil {
				t.Errorf("answer %s: %v", m.Subject, err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	on(nex.Request{Op: nex.OpPing, Node: id}, ping, func([]byte) {})
	on(nex.Request{Op: nex.OpInfo, Namespace: "default", Node: id}, nex.InfoResponse{}, func([]byte) {})
	on(nex.Request{Op: nex.OpAuction}, nex.AuctionResponse{PingResponse: ping}, func(body []byte) {
		var r nex.AuctionRequest
		if err := json.Unmarshal(body, &r); err != nil {
			t.Error(err)
		}
		auctions <- r
	})
	on(nex.Request{Op: nex.OpDeploy, Namespace: "default", Node: id}, nex.RunResponse{Started: true, ID: "w1", Name: "app", State: nex.StateRunning}, func(body []byte) {
		r, err := nex.DecodeDeployRequest(body)
		if err != nil {
			t.Error(err)
		}
		deployments <- r
	})
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return id, s.ClientURL(), auctions, deployments
}

// imageLayout makes an OCI layout of an image for a platform, and returns the digest of its manifest.
func imageLayout(t *testing.T, dir, arch string) (digest string) {
	t.Helper()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: arch, Config: v1.Config{Cmd: []string{"/app"}}})
	if err != nil {
		t.Fatal(err)
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	sum, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return sum.Hex
}

// What is asked of the sandbox is asked of the nodes, as far as an auction can, and is in the request. An
// image is not uploaded, but signed.
func TestDevrunImage(t *testing.T) {
	writeFiles(t, nil)
	_, url, auctions, deployments := playedNode(t)
	digest := imageLayout(t, "app", "arm64")
	got := run(t, "devrun", "app", "--server="+url, "--min_sandbox=gvisor", "--memory=1GiB", "--cpu=0.5",
		"--egress_allow=*.example.com:443,10.1.0.0/16", "--egress_allow=*", "--egress_deny=*:25", "--argv=-v", "--restart=on-failure")
	if got.code != 0 || !strings.Contains(got.err, "Found image sha256:"+digest) {
		t.Fatalf("got %+v, want it deployed and the image named", got)
	}
	auction := <-auctions
	want := nex.AuctionRequest{WorkloadTypes: []nex.WorkloadType{nex.TypeOCI}, MinSandbox: nex.SandboxGVisor, MemoryMiB: 1024, Explain: true}
	if !reflect.DeepEqual(auction, want) {
		t.Errorf("auction = %+v, want %+v", auction, want)
	}
	r := <-deployments
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	location := nex.Location{Scheme: nex.SchemeFile, Path: filepath.ToSlash(filepath.Join(here, "app"))}
	if r.Type != nex.TypeOCI || r.Location.String() != location.String() || len(r.Argv) != 1 {
		t.Errorf("request = %+v, want an image at %s", r, location)
	}
	if r.Restart != nex.RestartOnFailure || r.Essential {
		t.Errorf("request = %+v, want it started again after failures", r)
	}
	egress := &nex.Egress{Allow: []string{"*.example.com:443", "10.1.0.0/16", "*"}, Deny: []string{"*:25"}}
	if r.MinSandbox != nex.SandboxGVisor || r.MemoryMiB != 1024 || r.CPUs != 0.5 || !reflect.DeepEqual(r.Egress, egress) {
		t.Errorf("request = %+v with egress %+v, want what the flags say", r, r.Egress)
	}
	c, err := claims.Parse(r.WorkloadJWT)
	if err != nil || c.Hash != digest || c.Subject != "app" || c.Request != r.Digest() {
		t.Errorf("claims = %+v, %v, want hash %s", c, err, digest)
	}
}

// An image for another platform than that of the node is found out here.
func TestDevrunImageOfAnotherPlatform(t *testing.T) {
	writeFiles(t, nil)
	_, url, auctions, _ := playedNode(t)
	imageLayout(t, "app", "amd64")
	got := run(t, "devrun", "app", "--server="+url)
	<-auctions
	if got.code != 1 || !strings.Contains(got.err, "linux/amd64") || !strings.Contains(got.err, "linux/arm64") {
		t.Errorf("got %+v, want both platforms named", got)
	}
}

// Who sends a service to its own loopback is told so; others are not.
func TestWarningOfLoopback(t *testing.T) {
	writeFiles(t, nil)
	id, url, _, deployments := playedNode(t)
	for _, tt := range []struct{ more, says string }{
		{"nats_url=nats://127.0.0.1:4222", "nats_url has 127.0.0.1 in it, which inside a sandbox is the sandbox itself"},
		{"DB=http://localhost/x", "DB has localhost in it"},
		{"NATS_URL=nats://192.168.127.1:4222", ""},
		{"--type=v8 --trigger_subject=x NATS_URL=nats://127.0.0.1:4222", ""},
	} {
		line := append([]string{"run", "file:///app", id, "--server=" + url, "--digest=" + strings.Repeat("0", 64)}, strings.Fields(tt.more)...)
		got := run(t, line...)
		<-deployments
		if said := strings.Contains(got.err, "the sandbox itself"); got.code != 0 || said != (tt.says != "") || !strings.Contains(got.err, tt.says) {
			t.Errorf("%s: got %+v, want %q", tt.more, got, tt.says)
		}
	}
}

func TestRunImage(t *testing.T) {
	writeFiles(t, nil)
	id, url, _, deployments := playedNode(t)
	digest := strings.Repeat("0", 64)
	got := run(t, "run", "oci://registry.example.com/team/app:1.2", id, "--server="+url, "--digest="+digest, "--min-sandbox=gvisor")
	if got.code != 0 {
		t.Fatalf("got %+v", got)
	}
	r := <-deployments
	if r.Type != nex.TypeOCI || r.Location.String() != "oci://registry.example.com/team/app:1.2" || r.MinSandbox != nex.SandboxGVisor || r.Egress != nil {
		t.Errorf("request = %+v, want the image", r)
	}
	if c, err := claims.Parse(r.WorkloadJWT); err != nil || c.Subject != "app" || c.Hash != digest {
		t.Errorf("claims = %+v, %v, want workload app and hash %s", c, err, digest)
	}
}

// Without a digest the image is looked up where it lies.
func TestRunLooksUpImage(t *testing.T) {
	writeFiles(t, nil)
	id, url, _, deployments := playedNode(t)
	digest := imageLayout(t, "app.d", "arm64")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	location := nex.Location{Scheme: nex.SchemeFile, Path: filepath.ToSlash(filepath.Join(here, "app.d"))}
	if got := run(t, "run", location.String(), id, "--server="+url, "--type=oci"); got.code != 0 {
		t.Fatalf("got %+v", got)
	}
	if c, err := claims.Parse((<-deployments).WorkloadJWT); err != nil || c.Hash != digest {
		t.Errorf("claims = %+v, %v, want hash %s", c, err, digest)
	}
	if got := run(t, "run", "file:///nowhere/app.tar", id, "--server="+url); got.code != 1 || !strings.Contains(got.err, "/nowhere/app.tar") {
		t.Errorf("an image that is not there: got %+v", got)
	}
}

func TestImageAndOthersAreToldApart(t *testing.T) {
	writeFiles(t, nil)
	for line, says := range map[string]string{
		"run oci://registry.example.com/app N --type=native": "a workload of type native cannot lie in a registry",
		"run nats://B/app N --type=oci":                      "an image cannot lie at a nats location",
		"run oci://app:1 N":                                  "use oci://registry/repository:tag",
		"devrun oci://app:1":                                 "use oci://registry/repository:tag",
	} {
		if got := run(t, strings.Fields(line)...); got.code != 1 || !strings.Contains(got.err, says) {
			t.Errorf("nex %s: got %+v, want %q", line, got, says)
		}
	}
}
