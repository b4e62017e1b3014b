package hostservice

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/nex-engine/nex/internal/hostapi"
)

// Objects are written the way all clients of NATS object stores do: a description per object, and its
// content in messages of their own. The client's own functions are not used, since in a bucket of
// limited size they leave content behind that nothing refers to, when a deadline ends them or when two
// write one object, and cannot delete when it is full.

// chunkBytes is how much of an object a message has.
const chunkBytes = 128 << 10

func (b *openBucket) metaSubject(name string) string {
	return "$O." + b.name + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}

func (b *openBucket) chunkSubject(nuid string) string { return "$O." + b.name + ".C." + nuid }

// read returns an object and its content. It begins anew as often as the object is replaced meanwhile.
func (b *openBucket) read(ctx context.Context, name string) (*object, []byte, error) {
	for damaged := uint64(0); ; {
		o, err := b.lookUp(ctx, name)
		switch {
		case err != nil:
			return nil, nil, err
		case o == nil || o.Deleted:
			return nil, nil, hostapi.Errorf(hostapi.CodeNotFound, "there is no object %q", clip(name))
		case o.Name == "":
			return nil, nil, b.damaged(name)
		case o.Opts != nil && o.Opts.Link != nil:
			return nil, nil, hostapi.Errorf(hostapi.CodeDenied, "object %q is a link, which host services do not follow", clip(name))
		case o.Size > hostapi.MaxMessageBytes:
			return nil, nil, hostapi.Errorf(hostapi.CodeTooLarge, "object %q has %d bytes, more than the %d that a function can be given", clip(name), o.Size, hostapi.MaxMessageBytes)
		}
		content, err := b.readContent(ctx, o)
		if err == nil || !errors.Is(err, errDamaged) {
			return o, content, err
		}
		if o.sequence == damaged {
			return nil, nil, b.damaged(name)
		}
		damaged = o.sequence
	}
}

func (b *openBucket) damaged(name string) error {
	return hostapi.Errorf(hostapi.CodeInternal, "the object %q in bucket %s is damaged: put it again", clip(name), b.name)
}

// errDamaged means that content is not what its description says. While an object is replaced or
// deleted that can happen, too.
var errDamaged = errors.New("the content is damaged")

func (b *openBucket) readContent(ctx context.Context, o *object) ([]byte, error) {
	content := make([]byte, 0, o.Size)
	subject, next := b.chunkSubject(o.NUID), uint64(1)
	for range o.Chunks {
		m, err := b.stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil, errDamaged
		case err != nil:
			return nil, err
		case uint64(len(content)+len(m.Data)) > o.Size:
			return nil, errDamaged
		}
		content, next = append(content, m.Data...), m.Sequence+1
	}
	if uint64(len(content)) != o.Size || digest(content) != o.Digest {
		return nil, errDamaged
	}
	return content, nil
}

// write stores an object. What was there before stays readable until all of it is stored.
func (b *openBucket) write(ctx context.Context, name string, content []byte) (*object, error) {
	if most := b.maxBytes(); most > 0 && int64(len(content)) > most {
		return nil, hostapi.Errorf(hostapi.CodeTooLarge, "the object %q has %d bytes, more than the %d of bucket %s", clip(name), len(content), most, b.name)
	}
	o := &object{ObjectInfo: jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunkBytes}},
		Bucket:     b.name,
		NUID:       nuid.Next(),
		Size:       uint64(len(content)),
		Digest:     digest(content),
	}}
	replaced, err := b.publishObject(ctx, o, content)
	cleaned := cleanUp(ctx, func(ctx context.Context) error {
		if err != nil {
			return b.undo(ctx, o, replaced)
		}
		return b.purgeContent(ctx, replaced)
	})
	if cleaned != nil && !isGone(cleaned) {
		b.log.Warn("bucket may keep content that no object has", "bucket", b.name, "object", name, "err", cleaned)
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// undo removes what a write has left that failed. That may be for want of an answer only: then the
// description is stored, and it is the content of the object before that has to go.
func (b *openBucket) undo(ctx context.Context, o, replaced *object) error {
	// A stream takes what comes on a connection in order. So when it has refused this, which it cannot
	// but refuse, it has taken or refused all that was sent before.
	const never = math.MaxInt64
	var refusal *jetstream.APIError
	if _, err := b.js.Publish(ctx, b.chunkSubject(o.NUID), nil, jetstream.WithExpectLastSequencePerSubject(never)); !errors.As(err, &refusal) {
		return err
	}
	last, err := b.lookUp(ctx, o.Name)
	switch {
	case err != nil:
		return err
	case last != nil && last.NUID == o.NUID:
		return b.purgeContent(ctx, replaced)
	}
	return b.purgeContent(ctx, o)
}

// purgeContent removes the content of an object, which may be nil or have none.
func (b *openBucket) purgeContent(ctx context.Context, o *object) error {
	if o == nil || o.NUID == "" {
		return nil
	}
	return b.stream.Purge(ctx, jetstream.WithPurgeSubject(b.chunkSubject(o.NUID)))
}

// publishObject sends content and description, and returns the description that was replaced, or nil.
func (b *openBucket) publishObject(ctx context.Context, o *object, content []byte) (*object, error) {
	subject, size := b.chunkSubject(o.NUID), chunkBytes
	if most := int(b.nc.MaxPayload()); most > 0 { // 0 before the connection is first made
		size = min(size, most)
	}
	for rest := content; len(rest) > 0; o.Chunks++ {
		n := min(len(rest), size)
		if _, err := b.js.Publish(ctx, subject, rest[:n]); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return b.publishMeta(ctx, o.Name, func(*object) *object { return o })
}

// publishMeta replaces the description of an object by what next makes of it, or of nil where there is
// none; when next returns nil it does nothing. Nobody else can replace it in between. It returns what
// was replaced, and sets sequence and time of what was stored.
func (b *openBucket) publishMeta(ctx context.Context, name string, next func(*object) *object) (*object, error) {
	for {
		last, err := b.lookUp(ctx, name)
		if err != nil {
			return nil, err
		}
		o, sequence := next(last), uint64(0)
		if o == nil {
			return last, nil
		}
		if last != nil {
			sequence = last.sequence
		}
		o.ModTime = time.Time{} // the message has it
		m := nats.NewMsg(b.metaSubject(name))
		m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		if m.Data, err = json.Marshal(o.ObjectInfo); err != nil {
			return nil, err
		}
		ack, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(sequence))
		switch {
		case isConflict(err):
			continue // somebody was faster; ctx ends this at the latest
		case err != nil:
			return last, err
		}
		o.sequence, o.ModTime = ack.Sequence, time.Now()
		return last, nil
	}
}

// remove deletes an object. Those who watch the bucket can see that by a marker in the place of the
// description, which is then removed like everything else of the object. In a full bucket there may be
// no room for a marker.
func (b *openBucket) remove(ctx context.Context, name string) error {
	var marker *object
	last, err := b.publishMeta(ctx, name, func(last *object) *object {
		if last == nil || last.Deleted {
			return nil // what a delete has left that was interrupted is removed below
		}
		deleted := *last
		deleted.Name, deleted.Bucket = name, b.name
		deleted.Deleted, deleted.Size, deleted.Chunks, deleted.Digest = true, 0, 0, ""
		marker = &deleted
		return marker
	})
	switch {
	case last == nil:
		return err
	case err != nil && !hasNoRoom(err):
		return err
	}
	sequence := last.sequence
	if err == nil && marker != nil {
		sequence = marker.sequence
	}
	return cleanUp(ctx, func(ctx context.Context) error {
		if err := b.purgeContent(ctx, last); err != nil {
			return err
		}
		return b.purge(ctx, b.metaSubject(name), sequence)
	})
}

// isConflict reports that a subject was written by somebody else since it was read.
func isConflict(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// digest is the digest of content as NATS writes it.
func digest(content []byte) string {
	h := sha256.New()
	h.Write(content)
	return jetstream.GetObjectDigestValue(h)
}
