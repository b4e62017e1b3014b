package artifact

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
)

const (
	// settleTime is how long the replicas of a bucket may take to agree.
	settleTime = time.Second
	// settlePause is between two looks meanwhile: nothing tells when they do.
	settlePause = 20 * time.Millisecond
)

// settled returns what look does. Any replica of a bucket may answer, and one that is a moment behind does not
// have what another has acknowledged just now, or has what was there before. So if the bucket has several, look is
// called again until it finds what the Ref means, or the replicas have had the time to agree.
func (s natsSource) settled(ctx context.Context, nc *nats.Conn, look func() error) error {
	err := look()
	if !behind(err) || !s.replicated(ctx, nc) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	pause := time.NewTicker(settlePause)
	defer pause.Stop()
	for behind(err) {
		select {
		case <-ctx.Done():
			return err
		case <-pause.C:
			err = look()
		}
	}
	return err
}

// settles reports whether content that came damaged may come whole now: a replica that was a moment behind ends
// it where it is. It waits until the replicas have had the time to agree.
func (s natsSource) settles(ctx context.Context, err error) bool {
	if !errors.Is(err, jetstream.ErrDigestMismatch) ||
		!slices.ContainsFunc(s.conns, func(nc *nats.Conn) bool { return s.replicated(ctx, nc) }) {
		return false
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// behind reports whether a replica that is behind may be why an object is not the one that is looked for.
func behind(err error) bool {
	return errors.Is(err, jetstream.ErrObjectNotFound) || nex.CodeOf(err) == nex.CodeDigestMismatch
}

// replicated reports whether the bucket has several replicas.
func (s natsSource) replicated(ctx context.Context, nc *nats.Conn) bool {
	js, err := jetStream(nc, s.ref.JSDomain)
	if err != nil {
		return false
	}
	store, err := js.ObjectStore(ctx, s.ref.Location.Bucket())
	if err != nil {
		return false
	}
	status, err := store.Status(ctx)
	return err == nil && status.Replicas() > 1
}
