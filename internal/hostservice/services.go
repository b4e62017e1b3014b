// Package hostservice is the node's side of host services: it does what functions ask of their node
// in the vocabulary of package hostapi.
//
// [Open] makes what all workloads of a node share. Each workload then has a [Desk], which answers its
// requests on its own NATS connection and bounds how many are under way, so that no workload can hold
// up another.
//
// # Buckets
//
// kv and objectstore keep a bucket per workload: package bucket names it. It is made when it is first
// used, or made anew when somebody has deleted it; a bucket that exists is used as it is. One that was
// made here keeps one value per key and refuses what would make it larger than max_bytes. What is in a
// full bucket can still be read, replaced by what is not larger, and deleted. Deleting frees all that
// was taken, and deleting what is not there is no error. Several nodes may make and use one bucket at
// one time; of two who write one key or object the last one wins.
//
// # Messages
//
// messaging uses core NATS as it is: subjects belong to no namespace, and who may use which is for the
// permissions of the connection's user to say. Denied are [nex.ReservedSubjects], with them the buckets
// and streams of others, the inboxes of the connection, and what the node's configuration denies.
//
// # HTTP
//
// Package httpguard says which hosts may be called; it has its say at each connection, for redirects
// too. Proxies of the environment are not used.
package hostservice

import (
	"log/slog"
	"net"
	"time"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/hostapi"
)

// Config is what [Open] needs.
type Config struct {
	// Services says what is enabled and how it is set. A time that is 0 takes its default.
	Services config.Services
	// DenySubjects are what messaging may not use, besides what is always denied; they may have
	// wildcards.
	DenySubjects []string
	// Logger takes what operators may want to know; default none.
	Logger *slog.Logger
	// Resolver looks up the hosts of HTTP calls; default the system's.
	Resolver *net.Resolver
}

// The defaults of times.
const (
	defaultRequestTimeout     = 750 * time.Millisecond
	defaultRequestManyTimeout = 3 * time.Second
	defaultHTTPTimeout        = 5 * time.Second
)

// Services are the host services of a node. They are safe for concurrent use.
type Services struct {
	config config.Services
	denied subjectList
	caller *caller
	log    *slog.Logger
}

// Open makes the host services of a node. The caller closes them when their desks are closed.
func Open(cfg Config) (*Services, error) {
	denied, err := newSubjectList(cfg.DenySubjects)
	if err != nil {
		return nil, err
	}
	caller, err := newCaller(cfg.Services.HTTP.Config, cfg.Resolver)
	if err != nil {
		return nil, err
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Services{config: cfg.Services, denied: denied, caller: caller, log: log}, nil
}

// Close lets go of the connections to web servers that are kept for further calls.
func (s *Services) Close() { s.caller.close() }

func (s *Services) enabled(service string) bool {
	switch service {
	case hostapi.KV:
		return s.config.KV.Enabled
	case hostapi.ObjectStore:
		return s.config.ObjectStore.Enabled
	case hostapi.Messaging:
		return s.config.Messaging.Enabled
	}
	return s.config.HTTP.Enabled
}

// milliseconds returns n milliseconds, or def for 0.
func milliseconds(n int, def time.Duration) time.Duration {
	if n <= 0 {
		return def
	}
	return time.Duration(n) * time.Millisecond
}
