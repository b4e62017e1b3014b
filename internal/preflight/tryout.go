package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/natsconn/refusals"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// bounded bounds the wait for one answer by the time in which the server has let the connection in, which took more
// than one: that is what --timeout says.
func bounded(ctx context.Context, nc *nats.Conn) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, nc.Opts.Timeout)
}

// tryAll uses permissions, without anybody noticing: who listens gets what says nothing. It sends all of them, and
// asks the server once, so that a slow way there is gone once. The items are in the order of the permissions; there
// are none if the server does not answer, of which the error says what to do.
func tryAll(ctx context.Context, nc *nats.Conn, lists ...[]permission) ([][]checklist.Item, error) {
	ctx, cancel := bounded(ctx, nc)
	defer cancel()
	watch := refusals.On(nc)
	defer watch.Stop()
	used := make([][]error, len(lists))
	var subs []*nats.Subscription
	for i, list := range lists {
		for _, p := range list {
			sub, err := p.use(nc)
			used[i] = append(used[i], err)
			if sub != nil {
				subs = append(subs, sub)
			}
		}
	}
	err := watch.Flush(ctx)
	for _, sub := range subs {
		_ = sub.Unsubscribe() // the connection ends anyhow
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("it let the connection in, and then gave no answer within %v: check the NATS server, and the way to it", nc.Opts.Timeout)
	case err != nil:
		return nil, fmt.Errorf("it let the connection in, and then gave no answer (%s): check the NATS server, and the way to it", withoutPrefix(err))
	}
	found := make([][]checklist.Item, len(lists))
	for i, list := range lists {
		for j, p := range list {
			if err := used[i][j]; err != nil {
				found[i] = append(found[i], p.verdict(err))
				continue
			}
			found[i] = append(found[i], p.outcome(watch))
		}
	}
	return found, nil
}

// use sends what the permission is for.
func (p permission) use(nc *nats.Conn) (*nats.Subscription, error) {
	if p.subscribe {
		return nc.Subscribe(p.tried, func(*nats.Msg) {})
	}
	return nil, nc.PublishMsg(&nats.Msg{Subject: p.tried, Header: p.header, Data: []byte(p.body)})
}

// outcome is the item of the permission by what was refused.
func (p permission) outcome(w *refusals.Watch) checklist.Item {
	if p.subscribe {
		return p.verdict(w.Subscribe(p.tried))
	}
	if usual := p.usual(); p.domain != "" && w.Publish(usual.tried) != nil {
		return usual.verdict(w.Publish(usual.tried))
	}
	return p.verdict(w.Publish(p.tried))
}

// verdict is the item of the permission after its use, which has failed unless err is nil.
func (p permission) verdict(err error) checklist.Item {
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
	return p.item.Missing(fmt.Sprintf("it cannot be tried (%s): check how the NATS connection is configured", withoutPrefix(err)))
}

// answering corrects the item of a connection that may not publish to inboxes: it may still be let answer those who
// ask. That only the server can tell, and only to a connection that gets answers.
func answering(ctx context.Context, nc *nats.Conn, item checklist.Item, heard bool) checklist.Item {
	if item.OK {
		return item
	}
	err := errNotTold
	if heard {
		err = responses(ctx, nc)
	}
	switch {
	case err == nil:
		item.Path = "allow_responses"
		return item.Found()
	case errors.Is(err, errNoResponses):
		return item.Missing("the NATS server refuses answers: add allow_responses to the permissions of the user (or nsc edit user --allow-pub-response)")
	}
	return item.Noted("the user may answer only if it has allow_responses, which the NATS server does not tell it: see that it has")
}

var (
	errNoResponses = errors.New("no responses are allowed")
	errNotTold     = errors.New("the server does not tell")
)

// responses asks the server whether the user may answer those who ask. It fails if the server does not tell, which
// it does only if the user may ask it.
func responses(ctx context.Context, nc *nats.Conn) error {
	const subject = "$SYS.REQ.USER.INFO"
	ctx, cancel := bounded(ctx, nc)
	defer cancel()
	watch := refusals.On(nc)
	defer watch.Stop()
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends anyhow
	if err := nc.PublishRequest(subject, sub.Subject, nil); err != nil {
		return err
	}
	if err := watch.Flush(ctx); err != nil {
		return err
	}
	if err := watch.Publish(subject); err != nil {
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
		return errNotTold
	case answer.Data.Permissions.Responses == nil:
		return errNoResponses
	}
	return nil
}
