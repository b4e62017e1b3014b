package hostservice

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/hostapi"
)

// opHeader tells a marker of a deleted key from a value, purged is what it says in ours.
const (
	opHeader = "KV-Operation"
	purged   = "PURGE"
)

func (d *Desk) kvGet(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	key, err := decodeKey(r)
	if err != nil {
		return hostapi.Response{}, err
	}
	var value []byte
	err = d.kv.do(ctx, func(ctx context.Context, b *openBucket) error {
		m, err := b.stream.GetLastMsgForSubject(ctx, b.keySubject(key))
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && isMarker(m.Header) {
			return hostapi.Errorf(hostapi.CodeNotFound, "there is no key %q", clip(key))
		}
		if err == nil {
			value = m.Data
		}
		return err
	})
	return hostapi.Response{Body: value}, err
}

func (d *Desk) kvSet(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	key, err := decodeKey(r)
	if err != nil {
		return hostapi.Response{}, err
	}
	err = d.kv.do(ctx, func(ctx context.Context, b *openBucket) error {
		_, err := b.js.Publish(ctx, b.writeSubject(key), r.Body)
		return d.kv.explainWrite(err, "key", key, len(r.Body), b)
	})
	return hostapi.Response{}, err
}

// kvDelete puts a marker in the place of the value, for those who watch the bucket, and then removes
// the marker too: markers would fill the bucket. In a full bucket there may be no room for a marker.
func (d *Desk) kvDelete(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	key, err := decodeKey(r)
	if err != nil {
		return hostapi.Response{}, err
	}
	err = d.kv.do(ctx, func(ctx context.Context, b *openBucket) error {
		last, err := b.stream.GetLastMsgForSubject(ctx, b.keySubject(key))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil
		case err != nil:
			return err
		case isMarker(last.Header):
			return b.purge(ctx, last.Subject, last.Sequence)
		}
		marker := nats.NewMsg(b.writeSubject(key))
		marker.Header.Set(opHeader, purged)
		marker.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		ack, err := b.js.PublishMsg(ctx, marker)
		switch {
		case hasNoRoom(err):
			return b.purge(ctx, last.Subject, last.Sequence)
		case err != nil:
			return err
		}
		return b.purge(ctx, last.Subject, ack.Sequence)
	})
	return hostapi.Response{}, err
}

func (d *Desk) kvKeys(ctx context.Context, _ hostapi.Request) (hostapi.Response, *hostapi.Error) {
	keys := []string{}
	err := d.kv.do(ctx, func(ctx context.Context, b *openBucket) error {
		keys = keys[:0]
		prefix, size := b.keySubject(""), 0
		return b.scan(ctx, prefix+">", headersOnly, func(m jetstream.Msg) error {
			key := strings.TrimPrefix(m.Subject(), prefix)
			if !isMarker(m.Headers()) {
				keys = append(keys, key)
			}
			if size += len(key); size > hostapi.MaxMessageBytes {
				return hostapi.Errorf(hostapi.CodeTooLarge, "the keys together have more than %d bytes", hostapi.MaxMessageBytes)
			}
			return nil
		})
	})
	if err != nil {
		return hostapi.Response{}, err
	}
	slices.Sort(keys)
	return encode(hostapi.KeysResponse{Keys: slices.Compact(keys)}, nil)
}

// isMarker reports that a key was deleted, by a client or by a limit of the stream.
func isMarker(h nats.Header) bool {
	return h.Get(opHeader) != "" || h.Get(jetstream.MarkerReasonHeader) != ""
}

func decodeKey(r hostapi.Request) (string, *hostapi.Error) {
	v, err := decode[hostapi.KeyRequest](r)
	if err != nil {
		return "", err
	}
	return v.Key, checkKey(v.Key)
}

// checkKey refuses what NATS does not take for a key.
func checkKey(key string) *hostapi.Error {
	switch {
	case key == "":
		return hostapi.Errorf(hostapi.CodeInvalid, "the key is empty")
	case len(key) > hostapi.MaxKeyBytes:
		return hostapi.Errorf(hostapi.CodeInvalid, "the key %q has %d bytes, more than %d", clip(key), len(key), hostapi.MaxKeyBytes)
	case strings.HasPrefix(key, ".") || strings.HasSuffix(key, ".") || strings.Contains(key, ".."):
		return hostapi.Errorf(hostapi.CodeInvalid, "the key %q has a dot at its begin or end, or two in a row", clip(key))
	}
	for _, c := range key {
		if c >= utf8.RuneSelf || !isLetterOrDigit(byte(c)) && !strings.ContainsRune("-/_=.", c) {
			return hostapi.Errorf(hostapi.CodeInvalid, "the key %q has %q in it: a key has letters, digits, and - / _ = . only", clip(key), c)
		}
	}
	return nil
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
