package preflight

import (
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/keyfile"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// permission is what the node's user must, or should, be allowed.
type permission struct {
	item      checklist.Item
	subscribe bool
	// tried is the subject that is tried, allow the one to add if that is refused.
	tried, allow string
	// domain begins the subjects of JetStream in a domain; empty unless this is one.
	domain string
	// body and header are what is published.
	body   string
	header nats.Header
}

// noRequest is what JetStream refuses as no JSON, so that it does nothing.
const noRequest = "{"

func subscribing(tried, allow, why string) permission {
	return newPermission("control", "subscribe ", tried, allow, why)
}

func publishing(tried, allow, why string) permission {
	return newPermission("control", "publish ", tried, allow, why)
}

func newPermission(name, verb, tried, allow, why string) permission {
	return permission{
		item:      checklist.Item{Name: name, Path: verb + allow, Description: "permission, " + why},
		subscribe: verb == "subscribe ", tried: tried, allow: allow,
	}
}

// optional is the permission as one that may be missing.
func (p permission) optional(name string) permission {
	p.item.Name, p.item.Optional = name, true
	return p
}

// in is the permission as one of a subject of JetStream there.
func (p permission) in(place natsconn.JetStreamPlace) permission {
	if place.Domain != "" {
		p.domain = place.API()
	}
	return p
}

// usual is the permission by the usual names of its subjects, which a server that is of the domain itself gives them
// before it looks at permissions.
func (p permission) usual() permission {
	rename := func(subject string) string {
		subject = strings.TrimPrefix(subject, p.domain)
		if strings.HasPrefix(subject, "$KV.") {
			return subject
		}
		return jetstream.DefaultAPIPrefix + subject
	}
	p.tried, p.allow = rename(p.tried), rename(p.allow)
	p.item.Path, p.domain = "publish "+p.allow, ""
	return p
}

// controlPermissions are what the control API needs. The node's id is in subjects that are tried, for permissions
// that are for one node.
func controlPermissions(node string) []permission {
	const any = "*"
	at := func(op nex.Op, namespace, node string) string {
		return nex.Request{Op: op, Namespace: namespace, Node: node}.Subject()
	}
	everyWorkload := nex.Request{Op: nex.OpWorkloadPing, Namespace: any, Workload: any}.Subject()
	return []permission{
		subscribing(at(nex.OpPing, "", ""), at(nex.OpPing, "", ""), "to be found"),
		subscribing(at(nex.OpPing, "", node), at(nex.OpPing, "", any), "to be found"),
		subscribing(at(nex.OpAuction, "", ""), at(nex.OpAuction, "", ""), "to offer itself for workloads"),
		subscribing(at(nex.OpWorkloadPing, any, ""), at(nex.OpWorkloadPing, any, ""), "to have its workloads found"),
		subscribing(everyWorkload, everyWorkload, "to have its workloads found"),
		subscribing(at(nex.OpInfo, any, node), at(nex.OpInfo, any, any), "to tell of itself"),
		subscribing(at(nex.OpLogs, any, node), at(nex.OpLogs, any, any), "to show the logs that it keeps"),
		subscribing(at(nex.OpDeploy, any, node), at(nex.OpDeploy, any, any), "to take workloads"),
		subscribing(at(nex.OpStop, any, node), at(nex.OpStop, any, any), "to stop workloads"),
		subscribing(at(nex.OpLameDuck, "", node), at(nex.OpLameDuck, "", any), "to be emptied"),
		publishing(nex.EventSubject(nex.SystemNamespace, "preflight"), nex.Prefix+".events.>", "to tell of events"),
		publishing(nex.NodeLogSubject(node, "preflight"), nex.Prefix+".logs.>", "to tell its log, and those of workloads"),
		subscribing("$SRV.PING.>", "$SRV.>", "to be seen by nats micro").optional("micro"),
	}
}

// artifactPermissions are what it takes to fetch what nex devrun uploads into a bucket of a JetStream.
func artifactPermissions(place natsconn.JetStreamPlace, bucket string) []permission {
	api, stream, why := place.API(), "OBJ_"+bucket, "to fetch what nex devrun uploads"
	var all []permission
	for _, p := range []struct{ call, tried, rest, body string }{
		{"STREAM.INFO.", "", "", ""},                                // the first thing that a node asks
		{"DIRECT.GET.", ".$O." + bucket + ".M.preflight", ".>", ""}, // answered, if somebody asks
		{"CONSUMER.CREATE.", ".preflight.$O." + bucket + ".C.preflight", ".>", noRequest},
		{"CONSUMER.DELETE.", ".preflight", ".*", ""},
	} {
		one := publishing(api+p.call+stream+p.tried, api+p.call+stream+p.rest, why).optional("artifacts").in(place)
		one.body = p.body
		all = append(all, one)
	}
	return all
}

// inboxPermissions are what it takes to get answers, and to give some. Who asks may have inboxes elsewhere: that the
// connection may publish to its own says only that nobody keeps it from answering.
func inboxPermissions(nc *nats.Conn) []permission {
	inbox, all := inboxOf(nc)
	return []permission{
		subscribing(inbox, all, "to get answers"),
		publishing(inbox, all, "or allow_responses, to give answers"),
	}
}

// inboxOf is an inbox of a connection, and what all of them are.
func inboxOf(nc *nats.Conn) (inbox, all string) {
	inbox = nc.NewInbox()
	return inbox, inbox[:strings.LastIndexByte(inbox, '.')] + ".>"
}

// nodeID is that of the node whose data directory it is, or one of no node.
func nodeID(dataDir string) string {
	pair, err := keyfile.Load(filepath.Join(dataDir, "node.nk"), keyfile.Server)
	if err != nil {
		pair, err = nkeys.CreateServer()
	}
	if err == nil {
		if id, err := pair.PublicKey(); err == nil {
			return id
		}
	}
	return nuid.Next() // which will do, but for permissions of one node
}
