package escape_test

import (
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// The second node's NATS server is set up by a configuration file: workloads are in account A.
const (
	monitorPort   = "8222"
	webSocketPort = "9222"
	natsConfig    = `
		listen: "127.0.0.1:-1"
		http: "127.0.0.1:` + monitorPort + `"
		websocket { listen: "127.0.0.1:` + webSocketPort + `", no_tls: true }
		jetstream: enabled
		accounts {
			A { jetstream: enabled, users: [ { user: a, password: a } ], mappings: { "mapped.>": "$NEX.>" } }
			B { jetstream: enabled, users: [ { user: b, password: b } ], mappings: { "mapped.>": "$NEX.>" } }
			SYS { users: [ { user: sys, password: sys } ] }
			NEX { jetstream: enabled, users: [ { user: observer, password: observer, permissions {
				publish: ["$NEX.PING", "$NEX.PING.*", "$NEX.AUCTION", "$NEX.INFO.>", "$NEX.LOGS.>", "$SRV.>"], subscribe: "_INBOX.>"
			} } ], mappings: { "mapped.>": "$NEX.>" } }
		}
		system_account: SYS
		no_auth_user: a
	`
)

// TestSeparation attempts to get from each place where somebody may be to each where he has no business: to
// control, to other accounts, to the internal servers, and to other agents there.
func TestSeparation(t *testing.T) {
	if !nextest.Sandboxed() {
		t.Skip("escape tests need root: sandboxes with a network of their own")
	}
	s := &separation{world: newWorld(t)}
	s.first = newSite(t, start(t, `{"allow_file_artifacts": true, "machine_pool_size": 0, "cni": {"nameservers": ["`+publicAddr+`"]}}`))
	conf := filepath.Join(t.TempDir(), "nats.conf")
	writeFile(t, conf, natsConfig)
	second := launch(t, `{"allow_file_artifacts": true, "machine_pool_size": 0, "no_sandbox": true}`, "--nats-config", conf)
	s.second = newSite(t, second, second.connect(t, nats.UserInfo("b", "b")), second.connect(t, nats.UserInfo("sys", "sys")))
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"service in a sandbox", s.service},
		{"service without a sandbox", s.serviceWithoutSandbox},
		{"clients", s.clients},
		{"functions", s.functions},
		{"triggers", s.triggers},
		{"on this machine", s.onThisMachine},
		{"agents", s.agents},
		{"other machine", s.otherMachine},
		{"observer", s.observer},
		{"nothing has come of it", s.nothing}, // of all that is above
		{"with the keys", s.withTheKeys},
	} {
		t.Run(part.name, func(t *testing.T) {
			began := time.Now()
			part.run(t)
			t.Logf("%s", time.Since(began).Round(time.Millisecond))
		})
	}
	s.ledger.log(t)
}

// separation is a machine with two nodes.
type separation struct {
	world         *world
	first, second *site
	ledger        ledger
}

// atControl are those at control credentials.
func atControl() []string {
	list := []string{"name the account NEX", "name the account $SYS"}
	for _, c := range claimed {
		list = append(list, "reach the control account "+c)
	}
	return list
}

// claimed are the ways to say who one is, see testdata/intruder/control.go.
var claimed = []string{
	"as anybody", "as user NEX", "as user node", "with the public key as user", "with a token", "with a key of its own",
	"with the public key and another's signature", "with the public key and no signature",
	"with the public key and a signature of something else", "with a JWT of its own making",
}

// service is one that has a sandbox, and by NATS the workload account.
func (s *separation) service(t *testing.T) {
	const from = "a service in gVisor"
	at := s.first
	gateway := at.gatewayOf(t, "service")
	url := "nats://" + net.JoinHostPort(gateway, portOf(t, at.up.Ready.NATSURL))
	all := at.named(onControl, onSystem, onReplies)
	s.ledger.refused(t, from, all, at.attack(t, "service", at.bus(url, "-", all)...))
	s.ledger.refused(t, from, atControl(), at.attack(t, "service", "control", url, at.public))

	internal := "127.0.0.1:" + at.internalPort(t)
	sockets := append([]string{"/.nex/own/link/link.sock", "/.nex/link/link.sock", "@link.sock"}, at.sockets(t)...)
	key := at.agentKey(t, at.agents[0])
	s.ledger.refused(t, from, atInternal(len(sockets)), at.attack(t, "service", append([]string{"internal", "nats://" + internal, key}, sockets...)...))

	targets := s.ports(t, gateway, "127.0.0.1", uplinkAddr, ownPrivate, ownPublic)
	targets = slices.DeleteFunc(targets, func(to string) bool { return to == "tcp4/"+strings.TrimPrefix(url, "nats://") })
	s.ledger.refused(t, from, reaching(targets), at.attack(t, "service", append([]string{"dial"}, targets...)...))
	at.attack(t, "service", "dial", "tcp4/"+strings.TrimPrefix(url, "nats://")).wantEscaped(t)
}

// ports are where the nodes' servers listen, at addresses of this machine.
func (s *separation) ports(t *testing.T, addrs ...string) []string {
	t.Helper()
	var list []string
	for _, port := range []string{
		s.first.internalPort(t), s.second.internalPort(t), portOf(t, s.first.up.Ready.NATSURL), portOf(t, s.second.up.Ready.NATSURL), monitorPort, webSocketPort,
	} {
		for _, addr := range addrs {
			list = append(list, "tcp4/"+net.JoinHostPort(addr, port))
		}
	}
	return list
}

func reaching(targets []string) []string { return verb("reach", targets...) }

// serviceWithoutSandbox is an ordinary process. It could read the control key, as a file of its user; without
// that the servers let it in no further than others.
func (s *separation) serviceWithoutSandbox(t *testing.T) {
	const from = "a service at level none"
	at := s.second
	all := at.named(onControl, byMappings, onSystem, onReplies)
	s.ledger.refused(t, from, all, at.attack(t, "service", at.bus(at.up.Ready.NATSURL, "-", all)...))
	s.ledger.refused(t, from, atControl(), at.attack(t, "service", "control", at.up.Ready.NATSURL, at.public))
	sockets := at.sockets(t)
	key := at.agentKey(t, at.agents[0])
	s.ledger.refused(t, from, atInternal(len(sockets)),
		at.attack(t, "service", append([]string{"internal", "nats://127.0.0.1:" + at.internalPort(t), key}, sockets...)...))
}

// clients are those on this machine that have no credentials of the control account.
func (s *separation) clients(t *testing.T) {
	from, at := "a client without credentials", s.first
	all := at.named(onControl, onSystem, onReplies)
	s.ledger.refused(t, from, all, onHost(t, at.bus(at.up.Ready.NATSURL, "-", all)...))
	s.ledger.refused(t, from, atControl(), onHost(t, "control", at.up.Ready.NATSURL, at.public))

	from, at = "a client of another account", s.second
	all = at.named(onControl, byMappings, onSystem)
	s.ledger.refused(t, from, all, onHost(t, at.bus(at.up.Ready.NATSURL, "b:b", all)...))
	from = "a client of another account, by WebSocket"
	s.ledger.refused(t, from, all, onHost(t, at.bus("ws://127.0.0.1:"+webSocketPort, "b:b", all)...))
	from = "a client without credentials, at the node of level none"
	s.ledger.refused(t, from, atControl(), onHost(t, "control", at.up.Ready.NATSURL, at.public))
	// The other account is another: nobody there has the function.
	from = "a client of another account"
	if _, err := at.connect(t, nats.UserInfo("b", "b")).Request("fn.separation", nil, nextest.Patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("account B reaches a function in account A: %v", err)
	}
	s.ledger.note(from, "request fn.separation of account A: "+nats.ErrNoResponders.Error())
}

// nothing looks for what the attempts might have come to, where the attackers could not see it.
func (s *separation) nothing(t *testing.T) {
	for _, at := range []*site{s.first, s.second} {
		at.witness.wantNothing(t)
		for _, kv := range append(at.victims, at.secrets) {
			entry, err := kv.Get(t.Context(), "token")
			must(t, err)
			keys, err := kv.Keys(t.Context())
			if must(t, err); entry.Revision() != 1 || string(entry.Value()) != song || len(keys) != 1 {
				t.Errorf("in the bucket %s the token is %q, revision %d, and the keys are %q", kv.Bucket(), entry.Value(), entry.Revision(), keys)
			}
		}
		node, err := at.client.Ping(t.Context(), at.node.NodeID)
		if must(t, err); node.Tags[nex.TagLameDuck] != "false" {
			t.Errorf("the node's tags are %v", node.Tags)
		}
		for id, name := range at.deployed {
			if m := at.workload(t, id); m == nil || m.State != nex.StateRunning || m.Restarts != 0 {
				t.Errorf("the workload %s is %+v", name, m)
			}
		}
	}
}

// withTheKeys makes the same attempts with the keys: what was refused would have succeeded.
func (s *separation) withTheKeys(t *testing.T) {
	for _, at := range []*site{s.first, s.second} {
		url, all := at.up.Ready.ControlURL, at.named(onControl)
		if at == s.second {
			all = at.named(onControl, byMappings)
		}
		onHost(t, append([]string{"member", url, at.seed}, all...)...).wantEscaped(t)
		onHost(t, "control", url, at.public, at.seed).wantEscaped(t)
		// They are no keys to everything.
		all = at.named(onSystem)
		s.ledger.refused(t, "a client with the control key, at the system account", all, onHost(t, at.bus(url, at.seed, all)...))
	}
	onHost(t, append([]string{"member", s.second.up.Ready.NATSURL, "sys:sys"}, s.second.named(onSystem)...)...).wantEscaped(t)
}
