package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natstest"
)

// chunk is the size of the pieces in which an object store keeps an object.
const chunk = 128 << 10

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// stored is what lies in an object store, nil if nothing does.
func (r *rig) stored(bucket, key string) []byte {
	r.t.Helper()
	js, err := jetstream.New(r.nodes)
	if err != nil {
		r.t.Fatal(err)
	}
	store, err := js.ObjectStore(r.t.Context(), bucket)
	if err != nil {
		r.t.Fatal(err)
	}
	content, err := store.GetBytes(r.t.Context(), key)
	if err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		r.t.Fatal(err)
	}
	return content
}

// messages is how many messages the stream of a bucket holds.
func (r *rig) messages(bucket string) uint64 {
	r.t.Helper()
	js, err := jetstream.New(r.nodes)
	if err != nil {
		r.t.Fatal(err)
	}
	stream, err := js.Stream(r.t.Context(), "OBJ_"+bucket)
	if err != nil {
		r.t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

func TestUpload(t *testing.T) {
	t.Parallel()
	r := rigOn(t, natstest.Run(t), client.Config{})
	first := bytes.Repeat([]byte("0123456789abcdef"), chunk/4) // four pieces
	second := append(bytes.Clone(first), "more"...)
	wantLocation := nex.Location{Scheme: nex.SchemeNATS, Host: "FILES", Path: "/dir/cart v1"}
	for _, step := range []struct {
		name    string
		content []byte
		sent    bool
	}{
		{"new", first, true},
		{"the same", first, false},
		{"another", second, true},
		{"the first again", first, true},
		{"empty", nil, false}, // not a byte is sent, yet it is replaced
		{"the empty one again", nil, false},
	} {
		t.Run(step.name, func(t *testing.T) {
			r.t = t
			content := bytes.NewReader(step.content)
			if _, err := content.Seek(0, io.SeekEnd); err != nil { // somebody has read it before
				t.Fatal(err)
			}
			var progress []int64
			location, digest, err := r.client.Upload(t.Context(), client.Upload{
				Bucket: "FILES", Key: "dir/cart v1", Content: content, Progress: func(n int64) { progress = append(progress, n) },
			})
			if err != nil {
				t.Fatal(err)
			}
			if location != wantLocation || digest != sum(step.content) {
				t.Errorf("location %s, digest %s, want %s, %s", location, digest, wantLocation, sum(step.content))
			}
			if got := r.stored("FILES", "dir/cart v1"); !bytes.Equal(got, step.content) {
				t.Errorf("%d bytes are stored, not the %d sent", len(got), len(step.content))
			}
			switch {
			case step.sent && (len(progress) < 2 || progress[len(progress)-1] != int64(len(step.content))):
				t.Errorf("progress = %d, want up to %d", progress, len(step.content))
			case !step.sent && len(progress) != 0:
				t.Errorf("progress = %d, want none", progress)
			}
			got, err := r.client.StoredDigest(t.Context(), location, "")
			if err != nil || got != digest {
				t.Errorf("stored digest = %s, %v, want %s", got, err, digest)
			}
		})
	}
}

// Who makes the bucket does not matter.
func TestUploadsAtOnce(t *testing.T) {
	t.Parallel()
	r := rigOn(t, natstest.Run(t), client.Config{})
	var group sync.WaitGroup
	for _, key := range []string{"a", "b", "c", "d"} {
		group.Go(func() {
			if _, _, err := r.client.Upload(t.Context(), client.Upload{Bucket: "FILES", Key: key, Content: bytes.NewReader([]byte(key))}); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		})
	}
	group.Wait()
	for _, key := range []string{"a", "b", "c", "d"} {
		if got := string(r.stored("FILES", key)); got != key {
			t.Errorf("%s: stored %q", key, got)
		}
	}
}

func TestUploadWithoutJetStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	const says = "nats://FILES/cart is out of reach because JetStream is not enabled for this account"
	_, _, err := r.client.Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader([]byte("x"))})
	wantCode(t, err, nex.CodeArtifactUnavailable, says)
	_, err = r.client.StoredDigest(t.Context(), nex.Location{Scheme: nex.SchemeNATS, Host: "FILES", Path: "/cart"}, "")
	wantCode(t, err, nex.CodeArtifactUnavailable, says)
}

// JetStream is on, but not for everybody.
func TestUploadWithoutJetStreamInAccount(t *testing.T) {
	t.Parallel()
	poor := server.NewAccount("POOR")
	s := natstest.Run(t, func(o *server.Options) {
		o.Accounts = []*server.Account{poor}
		o.Users = []*server.User{{Username: "poor", Password: "x", Account: poor}}
		o.NoAuthUser = "poor"
	})
	r := rigOn(t, s, client.Config{})
	_, _, err := r.client.Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader([]byte("x"))})
	wantCode(t, err, nex.CodeArtifactUnavailable, "JetStream is not enabled for this account")
}

func TestUploadBeyondLimits(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.JetStreamMaxStore = 100 << 10 })
	r := rigOn(t, s, client.Config{})
	_, _, err := r.client.Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader(make([]byte, 200<<10))})
	wantCode(t, err, nex.CodeArtifactUnavailable, "nats://FILES/cart is out of reach: the storage that the NATS account, or its server, may use is taken: free some, or raise the limits of its JetStream")
}

// A bucket whose servers are mostly away can be looked at, and nobody takes what is put into it.
func TestUploadWithoutLeader(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.JetStream = false })
	left := natstest.Connect(t, s)
	for subject, answer := range map[string]*nats.Msg{
		"$JS.API.STREAM.INFO.OBJ_FILES":  {Data: []byte(`{"config": {"name": "OBJ_FILES", "allow_direct": true}, "state": {}}`)},
		"$JS.API.DIRECT.GET.OBJ_FILES.>": {Header: nats.Header{"Status": {"404"}}},
	} {
		if _, err := left.Subscribe(subject, func(m *nats.Msg) { _ = m.RespondMsg(answer) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := left.Flush(); err != nil {
		t.Fatal(err)
	}
	_, _, err := client.New(natstest.Connect(t, s), client.Config{}).Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader([]byte("x"))})
	wantCode(t, err, nex.CodeArtifactUnavailable, "its bucket has no leader")
}

// The server lets what is not permitted get lost; who uploads is told what it was all the same.
func TestUploadWithoutPermission(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"$NEX.>"}}}}}
	})
	nc := natstest.Connect(t, s, nats.UserInfo("u", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	_, _, err := client.New(nc, client.Config{Timeout: 200 * time.Millisecond}).Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader([]byte("x"))})
	if want := `to "$JS.API.STREAM.INFO.OBJ_FILES"`; err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("error = %v, want %s in it", err, want)
	}
}

// What was refused before is not why JetStream does not answer, unless it is what JetStream needs.
func TestUploadAfterRefusal(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) {
		o.JetStream = false
		deny := &server.SubjectPermission{Deny: []string{"$NEX.>", "$O.>", "mine.API.>"}}
		o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: deny}}, {Username: "mute", Password: "p"}}
	})
	mute := natstest.Connect(t, s, nats.UserInfo("mute", "p"))
	if _, err := mute.Subscribe("$JS.API.>", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if err := mute.Flush(); err != nil {
		t.Fatal(err)
	}
	for subject, needed := range map[string]bool{"$NEX.PING": false, "$O.FILES.C.x": true, "mine.API.INFO": true} {
		refused := make(chan error, 8)
		nc := natstest.Connect(t, s, nats.UserInfo("u", "p"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
		if err := nc.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		receive(t, refused)
		cfg := client.Config{Timeout: 100 * time.Millisecond}
		if subject == "mine.API.INFO" {
			cfg.JSAPIPrefix = "mine.API"
		}
		_, _, err := client.New(nc, cfg).Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader([]byte("x"))})
		if errors.Is(err, nats.ErrPermissionViolation) != needed || err == nil {
			t.Errorf("after %s was refused: %v", subject, err)
		}
		if !needed {
			wantCode(t, err, nex.CodeTimeout, "JetStream did not answer in time")
		}
	}
}

func TestUploadIncomplete(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	for _, u := range []client.Upload{{Key: "cart"}, {Bucket: "FILES"}, {}} {
		u.Content = bytes.NewReader(nil)
		_, _, err := r.client.Upload(t.Context(), u)
		wantCode(t, err, nex.CodeInvalidRequest, "use nats://BUCKET/key")
	}
}

func TestUploadIntoNoBucketName(t *testing.T) {
	t.Parallel()
	r := rigOn(t, natstest.Run(t), client.Config{})
	_, _, err := r.client.Upload(t.Context(), client.Upload{Bucket: "no.bucket", Key: "cart", Content: bytes.NewReader(nil)})
	if !errors.Is(err, jetstream.ErrInvalidStoreName) {
		t.Errorf("error = %v, want %v", err, jetstream.ErrInvalidStoreName)
	}
}

// flaky is content that cannot be read to its end the second time: fail is called at offset at and
// after, and what it returns is the failure.
type flaky struct {
	io.ReadSeeker
	at   int64
	fail func() error

	offset int64
	ended  bool // the first time is over
}

func (f *flaky) Seek(offset int64, whence int) (_ int64, err error) {
	f.offset, err = f.ReadSeeker.Seek(offset, whence)
	return f.offset, err
}

func (f *flaky) Read(p []byte) (int, error) {
	if f.ended && f.offset >= f.at {
		if err := f.fail(); err != nil {
			return 0, err
		}
	}
	n, err := f.ReadSeeker.Read(p)
	f.offset += int64(n)
	f.ended = f.ended || errors.Is(err, io.EOF)
	return n, err
}

// A failed upload leaves what lay there, and nothing else.
func TestUploadFails(t *testing.T) {
	t.Parallel()
	broken, why := errors.New("input/output error"), errors.New("lost interest")
	tests := []struct {
		name string
		fail func(cancel context.CancelCauseFunc) error
		want error
	}{
		{"to read", func(context.CancelCauseFunc) error { return broken }, broken},
		{"because it is cancelled", func(cancel context.CancelCauseFunc) error { cancel(why); return nil }, why},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := rigOn(t, natstest.Run(t), client.Config{})
			old := []byte("old")
			if _, _, err := r.client.Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader(old)}); err != nil {
				t.Fatal(err)
			}
			before := r.messages("FILES")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			content := &flaky{ReadSeeker: bytes.NewReader(make([]byte, 8*chunk)), at: 4 * chunk, fail: func() error { return tt.fail(cancel) }}
			location, digest, err := r.client.Upload(ctx, client.Upload{Bucket: "FILES", Key: "cart", Content: content})
			if !errors.Is(err, tt.want) || digest != "" {
				t.Errorf("location %s, digest %q, error %v, want %v", location, digest, err, tt.want)
			}
			if got := r.stored("FILES", "cart"); !bytes.Equal(got, old) {
				t.Errorf("%d bytes are stored, not the old ones", len(got))
			}
			if after := r.messages("FILES"); after != before {
				t.Errorf("%d messages are in the bucket, want %d as before", after, before)
			}
		})
	}
}

// The digest that is signed is that of the bytes that were sent.
func TestUploadOfChangingContent(t *testing.T) {
	t.Parallel()
	r := rigOn(t, natstest.Run(t), client.Config{})
	data := []byte("before")
	content := &flaky{ReadSeeker: bytes.NewReader(data), fail: func() error { copy(data, "after!"); return nil }}
	_, digest, err := r.client.Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: content})
	if err == nil || digest != "" {
		t.Errorf("digest = %s, %v, want an error", digest, err)
	}
}

// unreadable is content that cannot be read at all.
type unreadable struct{ io.Reader }

var errSeek = errors.New("illegal seek")

func (unreadable) Seek(int64, int) (int64, error) { return 0, errSeek }

func TestUploadOfUnreadableContent(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	if _, _, err := r.client.Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: unreadable{}}); !errors.Is(err, errSeek) {
		t.Errorf("error = %v, want %v", err, errSeek)
	}
}

func TestStoredDigestOfNothing(t *testing.T) {
	t.Parallel()
	r := rigOn(t, natstest.Run(t), client.Config{})
	if _, _, err := r.client.Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader(nil)}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"nats://FILES/other", "nats://OTHER/cart"} {
		location, err := nex.ParseLocation(at)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.client.StoredDigest(t.Context(), location, "")
		wantCode(t, err, nex.CodeArtifactNotFound, at+" does not exist: upload it with nats object put")
	}
}

// Whoever has stored an object says what its digest is, or does not.
func TestStoredDigestMalformed(t *testing.T) {
	t.Parallel()
	good := base64.URLEncoding.EncodeToString(make([]byte, sha256.Size))
	short := base64.URLEncoding.EncodeToString(make([]byte, sha256.Size-1))
	r := rigOn(t, natstest.Run(t), client.Config{})
	if _, _, err := r.client.Upload(t.Context(), client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader(nil)}); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(r.nodes)
	if err != nil {
		t.Fatal(err)
	}
	location := nex.Location{Scheme: nex.SchemeNATS, Host: "FILES", Path: "/cart"}
	for digest, ok := range map[string]bool{
		"SHA-256=" + good: true, "": false, "SHA-256": false, "SHA-256=": false, "SHA-256=" + short: false, "SHA-512=" + good: false,
		"SHA-256=" + good + "A": false, "SHA-256=" + string(bytes.Repeat([]byte("!"), len(good))): false, good: false,
	} {
		info, err := json.Marshal(jetstream.ObjectInfo{ObjectMeta: jetstream.ObjectMeta{Name: "cart"}, Bucket: "FILES", NUID: "x", Digest: digest})
		if err != nil {
			t.Fatal(err)
		}
		msg := nats.NewMsg("$O.FILES.M." + base64.URLEncoding.EncodeToString([]byte("cart")))
		msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		msg.Data = info
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
		got, err := r.client.StoredDigest(t.Context(), location, "")
		if ok != (err == nil) || (ok && got != hex.EncodeToString(make([]byte, sha256.Size))) {
			t.Errorf("%q: digest = %q, %v", digest, got, err)
		}
	}
}

func TestJetStreamDomain(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.JetStreamDomain = "hub" })
	r := rigOn(t, s, client.Config{})
	u := client.Upload{Bucket: "FILES", Key: "cart", JSDomain: "hub", Content: bytes.NewReader([]byte("x"))}
	location, digest, err := r.client.Upload(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.client.StoredDigest(t.Context(), location, "hub"); err != nil || got != digest {
		t.Errorf("stored digest = %s, %v, want %s", got, err, digest)
	}
	const nowhere = `JetStream is not enabled in domain "other", or there is no such domain`
	u.JSDomain = "other"
	_, _, err = r.client.Upload(t.Context(), u)
	wantCode(t, err, nex.CodeArtifactUnavailable, nowhere)
	_, err = r.client.StoredDigest(t.Context(), location, "other")
	wantCode(t, err, nex.CodeArtifactUnavailable, nowhere)
}

// What a call does not say, the client has been told.
func TestJetStreamOfClient(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.JetStreamDomain = "hub" })
	u := client.Upload{Bucket: "FILES", Key: "cart", Content: bytes.NewReader([]byte("x"))}
	location := nex.Location{Scheme: nex.SchemeNATS, Host: "FILES", Path: "/cart"}
	for _, cfg := range []client.Config{{JSDomain: "hub"}, {JSAPIPrefix: "$JS.hub.API"}, {JSAPIPrefix: "$JS.hub.API."}, {JSDomain: "hub", JSAPIPrefix: "other"}} {
		c := client.New(natstest.Connect(t, s), cfg)
		if _, _, err := c.Upload(t.Context(), u); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
		if _, err := c.StoredDigest(t.Context(), location, ""); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	for says, cfg := range map[string]client.Config{
		`not enabled in domain "other"`:                      {JSDomain: "other"},
		`no JetStream answers with the API prefix "other.x"`: {JSAPIPrefix: "other.x"},
	} {
		c := client.New(natstest.Connect(t, s), cfg)
		_, _, err := c.Upload(t.Context(), u)
		wantCode(t, err, nex.CodeArtifactUnavailable, says)
		_, err = c.StoredDigest(t.Context(), location, "")
		wantCode(t, err, nex.CodeArtifactUnavailable, says)
		u.JSDomain = "hub"
		if _, _, err := c.Upload(t.Context(), u); err != nil {
			t.Errorf("%+v, and another domain named: %v", cfg, err)
		}
		u.JSDomain = ""
	}
}
