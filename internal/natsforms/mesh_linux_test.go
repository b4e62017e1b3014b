package natsforms_test

// This file starts servers that are joined to each other, and reads what their monitoring says.

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// mesh is a cluster of three nex up, of which tests may kill some.
type mesh struct {
	*form
	members []*nextest.Process
}

// meshURLs are where clients find the servers of a mesh, which are called n1, n2 and n3.
var meshURLs = []string{"nats://127.0.0.1:4222", "nats://127.0.0.2:4222", "nats://127.0.0.3:4222"}

// newMesh starts the servers of the cluster, with the nex of a folder, by the blocks that start them, and waits
// until they have found each other and can keep streams.
func newMesh(t *testing.T, programs, conf string, start ...string) *mesh {
	t.Helper()
	f := newForm(t)
	f.write("cluster.conf")
	f.write(conf)
	m := &mesh{form: f, members: f.mortals(programs, start...)}
	f.awaitMesh("127.0.0.1", "127.0.0.2", "127.0.0.3")
	return m
}

// newCluster is the mesh of the section on clusters.
func newCluster(t *testing.T) *mesh {
	t.Helper()
	return newMesh(t, binDir, "cluster.conf", "cluster-n1.sh", "cluster-n2.sh", "cluster-n3.sh")
}

// at is a terminal whose settings name one server of the mesh, counted from 1.
func (m *mesh) at(number int) *terminal {
	tt := m.terminal()
	tt.run("cluster-env.sh")
	if tt.env["NATS_URL"] != meshURLs[0] {
		m.t.Fatalf("the document connects to %s", tt.env["NATS_URL"])
	}
	tt.set("NATS_URL", meshURLs[number-1])
	return tt
}

// kill ends the server of that number as kill -9 does.
func (m *mesh) kill(number int) { m.members[number-1].Kill() }

// mortals starts the commands of several blocks, with the nex of a folder, which the test may kill. Those that it
// does not must end with status 0.
func (f *form) mortals(programs string, names ...string) []*nextest.Process {
	f.t.Helper()
	tt := f.terminal()
	tt.set("PATH", programs+":"+tt.env["PATH"])
	var started []*nextest.Process
	for _, name := range names {
		p := tt.aside("sh", "-c", "exec "+strings.TrimSpace(block(f.t, name))+" --json --no-sandbox")
		started = append(started, p)
		f.t.Cleanup(func() {
			select {
			case <-p.Done():
			default:
				if err := p.Stop(); err != nil {
					f.t.Errorf("%s: %v", name, err)
				}
			}
			if f.t.Failed() {
				f.t.Logf("%s:\n%s%s", name, p.Output(), p.Log())
			}
		})
	}
	for i, p := range started {
		if err := p.AwaitReady(); err != nil {
			f.t.Fatalf("%s: %v", names[i], err)
		}
	}
	return started
}

// monitor gets what a server's monitoring says, and reports whether it says anything.
func (f *form) monitor(host, path string, v any) bool {
	dial := func(_ context.Context, network, address string) (net.Conn, error) { return f.Dial(network, address) }
	client := &http.Client{Timeout: nextest.Patience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	answer, err := client.Get("http://" + host + ":8222" + path)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return json.NewDecoder(answer.Body).Decode(v) == nil
}

// awaitMesh waits until each of some servers has a route to each other one, and all have one leader for streams.
func (f *form) awaitMesh(hosts ...string) {
	f.t.Helper()
	nextest.Await(f.t, "the servers have found each other", func() bool {
		var leaders []string
		for _, host := range hosts {
			var js struct {
				Meta struct {
					Leader string `json:"leader"`
					Size   int    `json:"cluster_size"`
				} `json:"meta_cluster"`
			}
			if len(f.routes(host)) != len(hosts)-1 || !f.monitor(host, "/jsz", &js) || js.Meta.Leader == "" {
				return false
			}
			leaders = append(leaders, js.Meta.Leader)
		}
		return len(slices.Compact(leaders)) == 1
	})
}

// traffic is what a server has sent to another one.
type traffic struct {
	Messages int64 `json:"out_msgs"`
	Bytes    int64 `json:"out_bytes"`
}

// routes returns the counters of a server's routes, by the name of the other end.
func (f *form) routes(host string) map[string]traffic {
	var z struct {
		Routes []struct {
			Name string `json:"remote_name"`
			traffic
		} `json:"routes"`
	}
	f.monitor(host, "/routez", &z) // what it does not say is not there
	sent := make(map[string]traffic)
	for _, r := range z.Routes { // there are several to each server
		t := sent[r.Name]
		sent[r.Name] = traffic{t.Messages + r.Messages, t.Bytes + r.Bytes}
	}
	return sent
}
