package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/keyfile"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// permission is what the node's user must, or should, be allowed.
type permission struct {
	item      checklist.Item
	subscribe bool
	// tried is the subject that is tried, allow the one to add if that is refused.
	tried, allow string
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

// artifactPermissions are what it takes to fetch what nex devrun uploads into a bucket. API begins the subjects of
// JetStream.
func artifactPermissions(api, bucket string) []permission {
	stream, why := "OBJ_"+bucket, "to fetch what nex devrun uploads"
	var all []permission
	for _, p := range []struct{ call, tried, rest, body string }{
		{"DIRECT.GET.", ".$O." + bucket + ".M.preflight", ".>", ""}, // answered, if somebody asks
		{"CONSUMER.CREATE.", ".preflight.$O." + bucket + ".C.preflight", ".>", noRequest},
		{"CONSUMER.DELETE.", ".preflight", ".*", ""},
	} {
		one := publishing(api+p.call+stream+p.tried, api+p.call+stream+p.rest, why).optional("artifacts")
		one.body = p.body
		all = append(all, one)
	}
	return all
}

// try uses the permission, without anybody noticing: who listens gets what says nothing.
func (p permission) try(ctx context.Context, nc *nats.Conn) checklist.Item {
	err := p.use(ctx, nc)
	list, flag := "publish", "--allow-pub"
	if p.subscribe {
		list, flag = "subscribe", "--allow-sub"
	}
	switch {
	case err == nil:
		return p.item.Found()
	case errors.Is(err, nats.ErrPermissionViolation):
		return p.item.Missing(fmt.Sprintf("the NATS server refuses it: add %q to the subjects that the user may %s to (%s of its permissions, or nsc edit user %s)",
			p.allow, list, list+".allow", flag))
	}
	return p.item.Missing(fmt.Sprintf("it cannot be tried (%s): check the NATS server", withoutPrefix(err)))
}

func (p permission) use(ctx context.Context, nc *nats.Conn) error {
	if !p.subscribe {
		if err := nc.PublishMsg(&nats.Msg{Subject: p.tried, Header: p.header, Data: []byte(p.body)}); err != nil {
			return err
		}
		return refusal(ctx, nc, "Publish", p.tried)
	}
	sub, err := nc.Subscribe(p.tried, func(*nats.Msg) {})
	if err != nil {
		return err
	}
	err = refusal(ctx, nc, "Subscription", p.tried)
	_ = sub.Unsubscribe() // the connection ends anyhow
	return err
}

// refusal asks whether the server has refused the last use of a subject: it says so before it answers.
func refusal(ctx context.Context, nc *nats.Conn, use, subject string) error {
	if err := nc.FlushWithContext(ctx); err != nil {
		return err
	}
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), use+fmt.Sprintf(" to %q", subject)) {
		return err
	}
	return nil
}

// inboxes tries to get answers, and to give some. That a server lets answers through to those who have asked can be
// told only by that server.
func inboxes(ctx context.Context, nc *nats.Conn) []checklist.Item {
	inbox, all := inboxOf(nc)
	asking := subscribing(inbox, all, "to get answers")
	answering := publishing(inbox, all, "or allow_responses, to give answers")
	answers := answering.try(ctx, nc)
	if !answers.OK {
		switch err := responses(ctx, nc); {
		case err == nil:
			answers.Path = "allow_responses"
			answers = answers.Found()
		case errors.Is(err, errNoResponses):
			answers.Do = "the NATS server refuses answers: add allow_responses to the permissions of the user (or nsc edit user --allow-pub-response)"
		default:
			answers = answers.Noted("the user may answer only if it has allow_responses, which the NATS server does not tell it: see that it has")
		}
	}
	return []checklist.Item{asking.try(ctx, nc), answers}
}

// inboxOf is an inbox of a connection, and what all of them are.
func inboxOf(nc *nats.Conn) (inbox, all string) {
	inbox = nc.NewInbox()
	return inbox, inbox[:strings.IndexByte(inbox, '.')] + ".>"
}

var errNoResponses = errors.New("no responses are allowed")

// responses asks the server whether the user may answer those who ask. It fails if the server does not tell, which
// it does only if the user may ask it.
func responses(ctx context.Context, nc *nats.Conn) error {
	const subject = "$SYS.REQ.USER.INFO"
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends anyhow
	if err := nc.PublishRequest(subject, sub.Subject, nil); err != nil {
		return err
	}
	if err := refusal(ctx, nc, "Publish", subject); err != nil {
		return err
	}
	m, err := sub.NextMsgWithContext(ctx)
	if err != nil {
		return err
	}
	var answer struct {
		Data *struct {
			Permissions *struct {
				Responses *struct{} `json:"responses"`
			} `json:"permissions"`
		} `json:"data"`
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		return err
	case answer.Data == nil || answer.Data.Permissions == nil:
		return errors.New("the server does not tell")
	case answer.Data.Permissions.Responses == nil:
		return errNoResponses
	}
	return nil
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
