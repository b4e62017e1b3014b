package escape_test

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// functions are one in JavaScript and one in WebAssembly, which have host services and nothing else.
func (s *separation) functions(t *testing.T) {
	at := s.first
	echo, err := at.workloads.Subscribe("separation.echo", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	must(t, err)
	defer func() { _ = echo.Unsubscribe() }()
	var urls []string
	for _, addr := range append(s.ports(t, "127.0.0.1", uplinkAddr, ownPrivate, ownPublic, "localhost"), "tcp4/"+net.JoinHostPort(at.gatewayOf(t, "service"), portOf(t, at.up.Ready.NATSURL))) {
		urls = append(urls, "http://"+strings.TrimPrefix(addr, "tcp4/")+"/")
	}
	attempts := at.named(naming(ofFunctions, "AGENT", at.agents[0]), verb("http", urls...))
	for _, f := range []struct {
		from, name string
		kind       nex.WorkloadType
		path       string
		more       []string
	}{
		{"a function in JavaScript", "javascript", nex.TypeV8, filepath.Join("testdata", "separated.js"), promised(attempts)},
		{"a function in WebAssembly", "wasm", nex.TypeWasm, filepath.Join(binDir, "separatedfunction.wasm"), nil},
	} {
		all := slices.Concat(attempts, f.more)
		out := at.call(t, at.function(f.name, f.kind, f.path), strings.Join(encoded(all), "\n"))
		s.ledger.refused(t, f.from, encoded(all), parse(t, []string{f.name}, out))
		// What it has written lies in its own bucket, and nowhere else.
		js, err := jetstream.New(at.workloads)
		must(t, err)
		own, err := js.KeyValue(t.Context(), "nex-default_-"+f.name)
		must(t, err)
		keys, err := own.Keys(t.Context())
		if must(t, err); !slices.Equal(keys, []string{"own"}) {
			t.Errorf("in the bucket of %s there are %q", f.from, keys)
		}
	}
}

// promised are the same attempts with methods that return promises.
func promised(attempts []string) []string {
	var list []string
	for _, a := range attempts {
		list = append(list, "promised-"+a)
	}
	return list
}

// encoded are attempts without what would end a line.
func encoded(attempts []string) []string {
	return naming(attempts, "%", "%25", "\r", "%0D", "\n", "%0A", "\t", "%09")
}

// triggers asks for functions that are called by what others say.
func (s *separation) triggers(t *testing.T) {
	const from = "who deploys a function"
	for i, at := range []*site{s.first, s.second} {
		o := outcome{args: []string{"triggers"}}
		for _, attempt := range at.named(asTriggers) {
			_, subject, _ := strings.Cut(attempt, " ")
			d := at.function("trigger", nex.TypeV8, filepath.Join("testdata", "separated.js"))
			d.Triggers = []string{subject}
			if _, err := at.client.Deploy(t.Context(), d); nex.CodeOf(err) == nex.CodeTriggerDenied {
				o.refused = append(o.refused, attempt+": "+err.Error())
			} else {
				o.escaped = append(o.escaped, attempt)
			}
		}
		s.ledger.refused(t, from+", at the node of level "+at.up.Ready.Sandbox, at.named(asTriggers), o)
		if i > 0 {
			continue
		}
		// A function whose connection for triggers is to be the internal server never comes to be.
		d := at.function("trigger", nex.TypeV8, filepath.Join("testdata", "separated.js"))
		d.TriggerConnection = &nex.Connection{URL: "nats://127.0.0.1:" + at.internalPort(t)}
		if _, err := at.client.Deploy(t.Context(), d); err == nil {
			t.Error("ESCAPED: a function has its triggers on the internal server")
		} else {
			s.ledger.note(from, "trigger connection to the internal server: "+err.Error())
		}
		d.TriggerConnection, d.HostServices = nil, &nex.Connection{URL: "nats://127.0.0.1:" + at.internalPort(t)}
		if _, err := at.client.Deploy(t.Context(), d); err == nil {
			t.Error("ESCAPED: a function has its host services on the internal server")
		} else {
			s.ledger.note(from, "host services on the internal server: "+err.Error())
		}
	}
}

// otherMachine is one that knows the way to all addresses of this one, and holds its loopback for one of them.
func (s *separation) otherMachine(t *testing.T) {
	const from = "another machine"
	targets := s.ports(t, uplinkAddr, ownPrivate, ownPublic, s.first.gatewayOf(t, "service"), "127.0.0.1")
	var proof []string
	for _, addr := range []string{uplinkAddr, ownPrivate, ownPublic, "127.0.0.1"} {
		proof = append(proof, "tcp4/"+net.JoinHostPort(addr, s.world.port))
	}
	dial := func(targets []string) (o outcome) {
		within(t, s.world.path, func() { o = onHost(t, append([]string{"dial"}, targets...)...) })
		return o
	}
	within(t, s.world.path, func() { routeTo(t, ownPrivate+"/32", ownPublic+"/32", "127.0.0.0/8") })
	s.ledger.refused(t, from, reaching(targets), dial(targets))
	// Its packets do arrive: loopback's too, were they taken.
	setting(t, "up0/route_localnet", "1")
	defer setting(t, "up0/route_localnet", "0")
	dial(proof).wantEscaped(t)
}

// observer is a user of the control account who may only ask. What it may not send, no node may send for it.
func (s *separation) observer(t *testing.T) {
	const from = "a user of the control account who may only ask"
	at := s.second
	user := admitted(t, func(o nats.Option) (*nats.Conn, error) {
		return nats.Connect(at.up.Ready.NATSURL, nats.UserInfo("observer", "observer"), o)
	})
	for _, attempt := range at.named(byObservers) {
		s.ledger.note(from, user.try(t, attempt))
	}
	for _, subject := range naming(asked, at.ids...) {
		for _, reply := range naming(lent, at.ids...) {
			heard, err := at.control.SubscribeSync(reply)
			must(t, err, at.control.FlushTimeout(nextest.Patience))
			must(t, user.PublishRequest(subject, reply, []byte("{}")))
			_, err = user.Request(subject, []byte("{}"), nextest.Patience) // is answered after that
			must(t, err, at.control.FlushTimeout(nextest.Patience))
			for n, _, _ := heard.Pending(); n > 0; n-- {
				if m, err := heard.NextMsg(nextest.Patience); err == nil && strings.Contains(string(m.Data), "io.nats.") && !ofWitness(m) {
					t.Errorf("ESCAPED: the node answers %s on %s: %.100s", subject, reply, m.Data)
				}
			}
			must(t, heard.Unsubscribe())
			s.ledger.note(from, "ask "+subject+" and be answered on "+reply+": there is no answer there")
		}
	}
	// Services of NATS answer wherever they are told to. No answer makes a node do anything.
	for _, subject := range []string{"$SRV.PING.nex-node", "$SRV.INFO.nex-node", "$SRV.STATS.nex-node"} {
		reply := naming([]string{"$NEX.LAMEDUCK.NODE"}, at.ids...)[0]
		must(t, user.PublishRequest(subject, reply, nil))
		_, err := user.Request(subject, nil, nextest.Patience)
		must(t, err)
		node, err := at.client.Ping(t.Context(), at.node.NodeID)
		if must(t, err); node.Tags[nex.TagLameDuck] != "false" {
			t.Errorf("ESCAPED: %s, answered on %s, makes the node a lame duck", subject, reply)
		}
		s.ledger.note(from, "ask "+subject+" and be answered on "+reply+": the node refuses the answer as a request")
	}
}

// ofWitness tells what is asked of others.
func ofWitness(m *nats.Msg) bool { return strings.Contains(string(m.Data), "of the control account") }
