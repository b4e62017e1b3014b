package trigger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
)

// Services makes the functions of one connection visible as NATS micro services, to nats micro ls,
// info and stats. It answers for all of them with a few subscriptions. The library's own services are
// of no use here: they run one request after the other, and count what their handler took.
//
// The protocol is that of NATS ADR-32. Services is safe for concurrent use.
type Services struct {
	conn *nats.Conn

	mu   sync.Mutex
	byID map[string]*Function
	subs []*nats.Subscription
}

// NewServices makes the Services of a connection, which the caller closes after all Functions.
func NewServices(conn *nats.Conn) *Services {
	return &Services{conn: conn, byID: make(map[string]*Function)}
}

// MaxPayload is how large a message may be on the connection, in bytes.
func (s *Services) MaxPayload() int64 { return s.conn.MaxPayload() }

// verbs are what a service can be asked.
var verbs = []micro.Verb{micro.PingVerb, micro.InfoVerb, micro.StatsVerb}

func (s *Services) add(f *Function) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[f.cfg.ID] = f
	if s.subs != nil {
		return nil
	}
	for _, verb := range verbs {
		all := micro.APIPrefix + "." + verb.String()
		for _, subject := range []string{all, all + ".>"} {
			sub, err := s.conn.Subscribe(subject, func(m *nats.Msg) { s.asked(verb, m) })
			if err != nil {
				s.unsubscribeLocked()
				return fmt.Errorf("subscribe to %s: %w", subject, err)
			}
			s.subs = append(s.subs, sub)
		}
	}
	return nil
}

func (s *Services) remove(f *Function) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, f.cfg.ID)
	if len(s.byID) == 0 {
		s.unsubscribeLocked()
	}
}

func (s *Services) unsubscribeLocked() {
	for _, sub := range s.subs {
		_ = sub.Unsubscribe() // it fails when the connection is closed, and then it is gone
	}
	s.subs = nil
}

// asked answers for each service that is meant: $SRV.PING, $SRV.PING.<name>, $SRV.PING.<name>.<id>.
func (s *Services) asked(verb micro.Verb, m *nats.Msg) {
	if !nex.MayAnswer(m.Reply) {
		return
	}
	about := strings.Split(m.Subject, ".")[2:]
	for _, f := range s.meant(about) {
		b, err := json.Marshal(f.describe(verb))
		if err == nil {
			_ = m.Respond(b) // who asked may be gone
		}
	}
}

func (s *Services) meant(about []string) []*Function {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Function
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		f := s.byID[id]
		switch {
		case len(about) > 0 && about[0] != f.cfg.Name, len(about) > 1 && about[1] != id, len(about) > 2:
			continue
		}
		list = append(list, f)
	}
	return list
}

// describe is the answer to a verb.
func (f *Function) describe(verb micro.Verb) any {
	f.mu.Lock()
	digest := f.digest
	f.mu.Unlock()
	identity := micro.ServiceIdentity{
		Name: f.cfg.Name, ID: f.cfg.ID, Version: version(digest),
		Metadata: map[string]string{"namespace": f.cfg.Namespace, "id": f.cfg.ID, "digest": digest},
	}
	switch verb {
	case micro.InfoVerb:
		return f.info(identity)
	case micro.StatsVerb:
		return f.stats(identity)
	}
	return micro.Ping{ServiceIdentity: identity, Type: micro.PingResponseType}
}

// version tells artifacts apart: a function has no version of its own, and a service must have one.
func version(digest string) string {
	return "0.0.0+sha256." + digest[:min(len(digest), 12)]
}

func (f *Function) info(identity micro.ServiceIdentity) micro.Info {
	info := micro.Info{ServiceIdentity: identity, Type: micro.InfoResponseType, Description: f.cfg.Description}
	for _, e := range f.endpoints {
		info.Endpoints = append(info.Endpoints, micro.EndpointInfo{Name: e.name, Subject: e.subject, QueueGroup: f.queue})
	}
	return info
}

func (f *Function) stats(identity micro.ServiceIdentity) micro.Stats {
	stats := micro.Stats{ServiceIdentity: identity, Type: micro.StatsResponseType, Started: f.started}
	for _, e := range f.endpoints {
		e.mu.Lock()
		s := &micro.EndpointStats{
			Name: e.name, Subject: e.subject, QueueGroup: f.queue, NumRequests: int(e.calls), NumErrors: int(e.errors),
			LastError: e.lastError, ProcessingTime: e.took,
		}
		if e.ran > 0 {
			s.AverageProcessingTime = e.took / time.Duration(e.ran)
		}
		e.mu.Unlock()
		stats.Endpoints = append(stats.Endpoints, s)
	}
	return stats
}
