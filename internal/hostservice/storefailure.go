package hostservice

import (
	"context"
	"errors"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/natsconn/jserror"
)

// apiNotStored is an error of the JetStream API that the client has no name for, and of which the text says why.
const apiNotStored = 10077

// isGone reports that there is no such bucket any more, or nothing that could know of it.
func isGone(err error) bool {
	return jserror.Missing(err) || errors.Is(err, jetstream.ErrStreamNotFound)
}

// isFull reports that a bucket has no room for a message.
func isFull(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	return api.ErrorCode == apiNotStored && strings.Contains(api.Description, "maximum ")
}

// hasNoRoom reports that a bucket does not take a message for its size, for whatever reason.
func hasNoRoom(err error) bool {
	return isFull(err) || jserror.Full(err) || errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum)
}

// explainWrite says of a write that failed for its size what was too large. Other errors it returns
// as they are, for explain.
func (s *store) explainWrite(err error, what, name string, size int, b *openBucket) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return hostapi.Errorf(hostapi.CodeTooLarge, "the %s %q with %d bytes does not fit into bucket %s, which holds %d bytes: delete something first",
			what, clip(name), size, s.name, b.maxBytes())
	case errors.Is(err, nats.ErrMaxPayload):
		return hostapi.Errorf(hostapi.CodeTooLarge, "the %s %q has %d bytes, more than the %d of a NATS message", what, clip(name), size, s.nc.MaxPayload())
	case errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum):
		return hostapi.Errorf(hostapi.CodeTooLarge, "the %s %q has %d bytes, more than the %d that bucket %s takes",
			what, clip(name), size, b.stream.CachedInfo().Config.MaxMsgSize, s.name)
	}
	return err
}

// explain makes the error of a request of what went wrong; ctx is that of the request.
func (s *store) explain(ctx context.Context, err error) *hostapi.Error {
	var done *hostapi.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &done):
		return done
	case isGone(err) && s.place.String() != "":
		return hostapi.Errorf(hostapi.CodeUnavailable, "%s needs JetStream, which is not there %s: check that setting of the workload's NATS connection", s.kind.service, s.place)
	case isGone(err):
		return hostapi.Errorf(hostapi.CodeUnavailable, "%s needs JetStream, which is not there on the workload's NATS connection: enable it on the server and for the account", s.kind.service)
	case !s.nc.IsConnected():
		return hostapi.Errorf(hostapi.CodeUnavailable, "%s is unavailable: the node has no connection to NATS at the moment", s.kind.service)
	case jserror.Full(err):
		return hostapi.Errorf(hostapi.CodeTooLarge, "bucket %s has no room: what its NATS account or server may hold is used up (%v)", s.name, err)
	case jserror.Explain(err) != "":
		return hostapi.Errorf(hostapi.CodeUnavailable, "%s is unavailable: %s", s.kind.service, jserror.Explain(err))
	case errors.Is(ctx.Err(), context.Canceled):
		return ended(ctx, s.kind.service)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return hostapi.Errorf(hostapi.CodeTimeout, "%s: JetStream did not answer in time: it may be busy, or the permissions of the connection may not let it be asked", s.kind.service)
	case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
		return hostapi.Errorf(hostapi.CodeUnavailable, "bucket %s cannot be made: there is a stream in its place", s.name)
	}
	return hostapi.Errorf(hostapi.CodeUnavailable, "%s failed on bucket %s: %v", s.kind.service, s.name, err)
}
