package hostservice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice/bucket"
	"github.com/nex-engine/nex/internal/natsconn"
)

// storeTimeout bounds a request to kv and objectstore, however much time the call has.
const storeTimeout = 5 * time.Second

// cleanupWithin bounds how long it may take to remove what an operation that failed has left.
const cleanupWithin = 2 * time.Second

// kind is what kv and objectstore differ in.
type kind struct {
	service string
	stream  string // prefix of the stream's name
	command string // that makes a bucket by hand
	create  func(ctx context.Context, js jetstream.JetStream, name string, maxBytes int64) error
}

var kvKind = kind{hostapi.KV, "KV_", "nats kv add", func(ctx context.Context, js jetstream.JetStream, name string, maxBytes int64) error {
	_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, History: 1, MaxBytes: maxBytes})
	return err
}}

var objectKind = kind{hostapi.ObjectStore, "OBJ_", "nats object add", func(ctx context.Context, js jetstream.JetStream, name string, maxBytes int64) error {
	_, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: name, MaxBytes: maxBytes})
	return err
}}

// store is the bucket that a workload has with one service. It is safe for concurrent use.
type store struct {
	kind   kind
	name   string // of the bucket
	config config.BucketConfig
	nc     *nats.Conn
	js     jetstream.JetStream
	place  natsconn.JetStreamPlace // of js
	log    *slog.Logger
	opened atomic.Pointer[openBucket] // nil until it is first used, and after it was found gone
}

func newStore(k kind, c config.BucketConfig, js jetstream.JetStream, desk DeskConfig, log *slog.Logger) (*store, error) {
	name, err := bucket.Name(c.BucketName, desk.Namespace, desk.Workload)
	if err != nil {
		return nil, fmt.Errorf("name the bucket of %s: %w", k.service, err)
	}
	return &store{kind: k, name: name, config: c, nc: desk.NATS, js: js, place: desk.JetStream, log: log}, nil
}

// do calls f with the bucket. When the bucket turns out to be gone it calls f once more with a new
// one; f leaves nothing of the first time.
func (s *store) do(ctx context.Context, f func(context.Context, *openBucket) error) *hostapi.Error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	b, err := s.bucket(ctx)
	if err != nil {
		return s.explain(ctx, err)
	}
	err = f(ctx, b)
	if isGone(err) {
		s.opened.CompareAndSwap(b, nil)
		if b, err = s.bucket(ctx); err == nil {
			err = f(ctx, b)
		}
	}
	return s.explain(ctx, err)
}

// bucket returns the bucket, which it opens or makes if need be.
func (s *store) bucket(ctx context.Context) (*openBucket, error) {
	if b := s.opened.Load(); b != nil {
		return b, nil
	}
	if err := natsconn.CheckJetStream(s.nc); err != nil {
		return nil, hostapi.Errorf(hostapi.CodeUnavailable, "%v", err)
	}
	stream, err := s.js.Stream(ctx, s.kind.stream+s.name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if !s.config.JITProvision {
			return nil, hostapi.Errorf(hostapi.CodeNotFound,
				"there is no bucket %s: make it with '%s %s', or set host_services.services.%s.config.jit_provision to true", s.name, s.kind.command, s.name, s.kind.service)
		}
		stream, err = s.provision(ctx)
	}
	if err != nil {
		return nil, err
	}
	b := &openBucket{store: s, stream: stream}
	s.opened.Store(b)
	return b, nil
}

// provision makes the bucket. Others may do the same at the same time, with other limits even: then
// theirs is used.
func (s *store) provision(ctx context.Context) (jetstream.Stream, error) {
	created := s.create(ctx)
	stream, err := s.js.Stream(ctx, s.kind.stream+s.name)
	switch {
	case err != nil && created != nil:
		return nil, created
	case err != nil:
		return nil, err
	case created == nil:
		s.log.Info("bucket made", "service", s.kind.service, "bucket", s.name, "max_bytes", s.config.MaxBytes)
	}
	return stream, nil
}

// createRetry is the first of the waits for what is left of a bucket that was just deleted: the server
// removes its files on the side, and tells nobody when it has.
const createRetry = 10 * time.Millisecond

// create makes the bucket, or returns why it cannot be made.
func (s *store) create(ctx context.Context) error {
	for wait := createRetry; ; wait *= 2 {
		err := s.kind.create(ctx, s.js, s.name, s.config.MaxBytes)
		if !isStoreBusy(err) || wait > 16*createRetry {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// isStoreBusy reports whether the server could not make the files of a stream.
func isStoreBusy(err error) bool {
	const streamStoreFailed = 10049 // the server's error code; the client has no name for it
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == streamStoreFailed
}

// openBucket is a bucket that was there.
type openBucket struct {
	*store
	stream jetstream.Stream
}

func (b *openBucket) keySubject(key string) string { return "$KV." + b.name + "." + key }

// writeSubject is where a key is written to: elsewhere there may be a bucket of the same name.
func (b *openBucket) writeSubject(key string) string {
	return b.place.KeyValues() + b.name + "." + key
}

// purge removes all messages of a subject up to a sequence number, and that one.
func (b *openBucket) purge(ctx context.Context, subject string, last uint64) error {
	return b.stream.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(last+1))
}

// maxBytes returns what the bucket may hold, not what the configuration says; 0 is no limit.
func (b *openBucket) maxBytes() int64 {
	return max(0, b.stream.CachedInfo().Config.MaxBytes)
}
