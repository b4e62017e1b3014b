package hostservice

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/hostapi"
)

func (d *Desk) objectGet(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	name, err := decodeName(r)
	if err != nil {
		return hostapi.Response{}, err
	}
	var found *object
	var content []byte
	err = d.objects.do(ctx, func(ctx context.Context, b *openBucket) (err error) {
		found, content, err = b.read(ctx, name)
		return err
	})
	if err != nil {
		return hostapi.Response{}, err
	}
	return encode(found.info(), content)
}

func (d *Desk) objectPut(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	name, err := decodeName(r)
	if err != nil {
		return hostapi.Response{}, err
	}
	var written *object
	err = d.objects.do(ctx, func(ctx context.Context, b *openBucket) (err error) {
		written, err = b.write(ctx, name, r.Body)
		return d.objects.explainWrite(err, "object", name, len(r.Body), b)
	})
	if err != nil {
		return hostapi.Response{}, err
	}
	return encode(written.info(), nil)
}

func (d *Desk) objectDelete(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	name, err := decodeName(r)
	if err != nil {
		return hostapi.Response{}, err
	}
	err = d.objects.do(ctx, func(ctx context.Context, b *openBucket) error { return b.remove(ctx, name) })
	return hostapi.Response{}, err
}

func (d *Desk) objectList(ctx context.Context, _ hostapi.Request) (hostapi.Response, *hostapi.Error) {
	objects := map[string]hostapi.ObjectInfo{}
	err := d.objects.do(ctx, func(ctx context.Context, b *openBucket) error {
		clear(objects)
		size := 0
		return b.scan(ctx, b.metaSubject("")+">", whole, func(m jetstream.Msg) error {
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			var o object
			if json.Unmarshal(m.Data(), &o.ObjectInfo) != nil || o.Name == "" {
				return nil // not made by a client of object stores
			}
			o.ModTime = meta.Timestamp
			delete(objects, o.Name)
			if !o.Deleted {
				objects[o.Name] = o.info()
			}
			if size += len(m.Data()); size > hostapi.MaxMessageBytes {
				return hostapi.Errorf(hostapi.CodeTooLarge, "the list of objects has more than %d bytes", hostapi.MaxMessageBytes)
			}
			return nil
		})
	})
	if err != nil {
		return hostapi.Response{}, err
	}
	list := make([]hostapi.ObjectInfo, 0, len(objects))
	for _, o := range objects {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b hostapi.ObjectInfo) int { return strings.Compare(a.Name, b.Name) })
	return encode(hostapi.ListResponse{Objects: list}, nil)
}

// object is the description of an object as it lies in its bucket.
type object struct {
	jetstream.ObjectInfo
	sequence uint64
}

func (o *object) info() hostapi.ObjectInfo {
	return hostapi.ObjectInfo{Name: o.Name, Size: int64(o.Size), Digest: o.Digest, Modified: o.ModTime.UTC()}
}

// lookUp returns the description of an object, with Deleted set if it is one that was deleted, or nil.
// It is without a name if it is damaged.
func (b *openBucket) lookUp(ctx context.Context, name string) (*object, error) {
	m, err := b.stream.GetLastMsgForSubject(ctx, b.metaSubject(name))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	o := &object{sequence: m.Sequence}
	if json.Unmarshal(m.Data, &o.ObjectInfo) != nil {
		o.ObjectInfo = jetstream.ObjectInfo{}
	}
	o.ModTime = m.Time
	return o, nil
}

// cleanUp runs f, which removes what would stay behind in the bucket, even if ctx has ended.
func cleanUp(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupWithin)
	defer cancel()
	return f(ctx)
}

func decodeName(r hostapi.Request) (string, *hostapi.Error) {
	v, err := decode[hostapi.NameRequest](r)
	switch {
	case err != nil:
		return "", err
	case v.Name == "":
		return "", hostapi.Errorf(hostapi.CodeInvalid, "the name of the object is empty")
	case len(v.Name) > hostapi.MaxNameBytes:
		return "", hostapi.Errorf(hostapi.CodeInvalid, "the name %q has %d bytes, more than %d", clip(v.Name), len(v.Name), hostapi.MaxNameBytes)
	}
	return v.Name, nil
}
