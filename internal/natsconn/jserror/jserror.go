// Package jserror says in words what JetStream refuses, and what to do about it: the same words wherever nex uses
// it. It knows errors only; all functions are safe for concurrent use.
package jserror

import (
	"errors"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors of the JetStream API that the client has no names for.
const (
	accountFull      = 10002
	noLeader         = 10008
	notLeader        = 10009
	serverFull       = 10023
	tooManyConsumers = 10026
	tooManyStreams   = 10027
	memoryFull       = 10028
	storageFull      = 10047
	maxBytesNeeded   = 10113
	streamOffline    = 10118
	noLimits         = 10120
	streamTooLarge   = 10122
)

// Explain returns what is wrong and what to do, as a part of a sentence; empty if the error is about something else
// than JetStream as a whole.
func Explain(err error) string {
	switch {
	case Missing(err) && is(err, int(jetstream.JSErrCodeJetStreamNotEnabledForAccount)):
		return "JetStream is not enabled for the account: enable it there"
	case Missing(err):
		return "JetStream is not enabled: enable it on the NATS server (nats-server -js) and for the account"
	case WithoutQuorum(err):
		return "JetStream has no leader, because too many servers of its cluster are away: it goes on once most of them are back"
	case is(err, maxBytesNeeded):
		return "the NATS account demands a limit of each bucket: make the bucket yourself, with --max-bucket-size"
	case is(err, tooManyStreams, tooManyConsumers):
		return "the NATS account has as many buckets, or readers of them, as it may: remove some, or raise the limits of its JetStream"
	case Full(err):
		return "the storage that the NATS account, or its server, may use is taken: free some, or raise the limits of its JetStream"
	}
	return ""
}

// Missing reports that nothing answers for JetStream.
func Missing(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}

// WithoutQuorum reports that too few servers of a cluster are there, which waiting helps against.
func WithoutQuorum(err error) bool { return is(err, noLeader, notLeader, streamOffline) }

// Full reports that an account, or the server, has no more room for its streams together.
func Full(err error) bool {
	return is(err, accountFull, serverFull, memoryFull, storageFull, noLimits, streamTooLarge)
}

func is(err error, codes ...int) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && slices.Contains(codes, int(api.ErrorCode))
}
