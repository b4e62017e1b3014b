package artifact_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/natstest"
)

// shelf is an object store bucket with the name "b" on a server of its own.
type shelf struct {
	t      *testing.T
	server *server.Server
	nc     *nats.Conn
	js     jetstream.JetStream
	bucket jetstream.ObjectStore
}

func newShelf(t *testing.T, edit ...func(*server.Options)) *shelf {
	t.Helper()
	s := &shelf{t: t, server: natstest.Run(t, edit...)}
	s.nc = natstest.Connect(t, s.server)
	js, err := jetstream.New(s.nc)
	if err != nil {
		t.Fatal(err)
	}
	s.js = js
	s.bucket = s.create("b")
	return s
}

func (s *shelf) create(bucket string) jetstream.ObjectStore {
	s.t.Helper()
	store, err := s.js.CreateObjectStore(s.t.Context(), jetstream.ObjectStoreConfig{Bucket: bucket})
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

func (s *shelf) put(name string, body []byte) *jetstream.ObjectInfo {
	s.t.Helper()
	info, err := s.bucket.PutBytes(s.t.Context(), name, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return info
}

// describe replaces the description of an object by a made-up one.
func (s *shelf) describe(info jetstream.ObjectInfo) {
	s.t.Helper()
	b, err := json.Marshal(info)
	if err != nil {
		s.t.Fatal(err)
	}
	m := nats.NewMsg("$O.b.M." + base64.URLEncoding.EncodeToString([]byte(info.Name)))
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	m.Data = b
	if _, err := s.js.PublishMsg(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}

// dropChunks removes the content of an object and leaves its description.
func (s *shelf) dropChunks(nuid string) {
	s.t.Helper()
	stream, err := s.js.Stream(s.t.Context(), "OBJ_b")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := stream.Purge(s.t.Context(), jetstream.WithPurgeSubject("$O.b.C."+nuid)); err != nil {
		s.t.Fatal(err)
	}
}

// open opens a cache that looks at this shelf.
func (s *shelf) open(dir string) *artifact.Cache {
	s.t.Helper()
	return open(s.t, artifact.Config{Dir: dir, NATS: []*nats.Conn{s.nc}})
}

// reads returns a function that says how often chunks were asked for since the call of reads.
func (s *shelf) reads() func() int {
	s.t.Helper()
	watcher := natstest.Connect(s.t, s.server)
	sub, err := watcher.SubscribeSync("$JS.API.CONSUMER.>")
	if err != nil {
		s.t.Fatal(err)
	}
	flush := func(nc *nats.Conn) {
		if err := nc.Flush(); err != nil {
			s.t.Fatal(err)
		}
	}
	flush(watcher)
	return func() int {
		flush(s.nc) // the server has seen all requests …
		flush(watcher)
		n, _, err := sub.Pending() // … and told the watcher
		if err != nil {
			s.t.Fatal(err)
		}
		return n
	}
}

func natsLocation(bucket, key string) nex.Location {
	return nex.Location{Scheme: nex.SchemeNATS, Host: bucket, Path: "/" + key}
}

func TestObject(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	c := s.open("")
	tests := []struct {
		name string
		key  string
		body []byte
	}{
		{"empty", "empty", nil},
		{"small", "small", content("abc", 100)},
		{"many chunks", "large", content("abc", 3<<20)},
		{"odd key", "dir/a file.wasm", content("xyz", 100)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.put(tt.key, tt.body)
			for _, d := range []string{"", digest(tt.body)} {
				ref := artifact.Ref{Location: natsLocation("b", tt.key), Digest: d, MaxBytes: int64(len(tt.body))}
				size, err := c.Check(t.Context(), ref)
				if err != nil || size != int64(len(tt.body)) {
					t.Errorf("check = %d, %v; want %d", size, err, len(tt.body))
				}
				f := fetch(t, c, ref)
				wantContent(t, f, tt.body)
				f.Release()
			}
		})
	}
}

func TestObjectRefusedBeforeDownload(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	body := content("abc", 1<<20)
	info := *s.put("real", body)
	huge := info
	huge.Name, huge.Size = "huge", 1<<63
	s.describe(huge)
	s.put("deleted", body)
	if err := s.bucket.Delete(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	other := s.create("other")
	if _, err := s.bucket.AddBucketLink(t.Context(), "bucketlink", other); err != nil {
		t.Fatal(err)
	}
	circle := info
	circle.Name, circle.Opts = "circle", &jetstream.ObjectMetaOptions{Link: &jetstream.ObjectLink{Bucket: "b", Name: "circle"}}
	s.describe(circle)

	tests := []struct {
		name        string
		bucket, key string
		ref         artifact.Ref
		code        nex.Code
		words       string
	}{
		{"no bucket", "nobucket", "x", artifact.Ref{}, nex.CodeArtifactNotFound, `no object store bucket "nobucket"`},
		{"no key", "b", "nokey", artifact.Ref{}, nex.CodeArtifactNotFound, `bucket "b" has no object "nokey"`},
		{"deleted", "b", "deleted", artifact.Ref{}, nex.CodeArtifactNotFound, "no object"},
		{"no bucket name", "a.b", "x", artifact.Ref{}, nex.CodeInvalidRequest, "bucket name"},
		{"over the limit", "b", "real", artifact.Ref{MaxBytes: 1<<20 - 1}, nex.CodeArtifactTooLarge, nex.ErrArtifactTooLarge.Message},
		{"says it is huge", "b", "huge", artifact.Ref{MaxBytes: 1 << 40}, nex.CodeArtifactTooLarge, nex.ErrArtifactTooLarge.Message},
		{"other digest", "b", "real", artifact.Ref{Digest: digest(nil)}, nex.CodeDigestMismatch, digest(body)},
		{"link to a bucket", "b", "bucketlink", artifact.Ref{}, nex.CodeArtifactNotFound, "link to a bucket"},
		{"links in a circle", "b", "circle", artifact.Ref{}, nex.CodeArtifactUnavailable, "links"},
		{"no domain", "b", "real", artifact.Ref{JSDomain: "hub"}, nex.CodeArtifactUnavailable, `not enabled in domain "hub"`},
	}
	dir := filepath.Join(t.TempDir(), "cache")
	c := s.open(dir)
	reads := s.reads()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.ref.Location = natsLocation(tt.bucket, tt.key)
			_, err := c.Fetch(t.Context(), tt.ref)
			wantCode(t, err, tt.code, tt.words, tt.bucket, tt.key)
			_, err = c.Check(t.Context(), tt.ref)
			wantCode(t, err, tt.code, tt.words)
			wantFiles(t, dir)
		})
	}
	if got := reads(); got != 0 {
		t.Errorf("chunks were asked for %d times, want never", got)
	}
	fetch(t, c, artifact.Ref{Location: natsLocation("b", "real")}).Release()
	if reads() == 0 {
		t.Error("the watcher does not see requests for chunks")
	}
}

func TestObjectWhoseDescriptionLies(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	body := content("abc", 1<<20)
	info := *s.put("real", body)
	small := info
	small.Name, small.Size = "small", 5
	s.describe(small)
	wrong := info
	wrong.Name, wrong.Digest = "wrong", "SHA-256="+base64.URLEncoding.EncodeToString(make([]byte, 32))
	s.describe(wrong)
	odd := info
	odd.Name, odd.Digest = "odd", "MD5=abc"
	s.describe(odd)

	tests := []struct {
		key  string
		code nex.Code
	}{
		{"small", nex.CodeArtifactTooLarge},
		{"wrong", nex.CodeDigestMismatch},
		{"odd", nex.CodeArtifactUnavailable},
	}
	dir := filepath.Join(t.TempDir(), "cache")
	c := s.open(dir)
	for _, tt := range tests {
		t.Run(tt.key, func(t *testing.T) {
			ref := artifact.Ref{Location: natsLocation("b", tt.key)}
			if tt.code == nex.CodeArtifactTooLarge {
				ref.MaxBytes = 1000
			}
			_, err := c.Fetch(t.Context(), ref)
			wantCode(t, err, tt.code)
			wantFiles(t, dir)
		})
	}
}

func TestObjectThroughLinks(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	body := content("abc", 1000)
	info := s.put("real", body)
	if _, err := s.create("other").AddLink(t.Context(), "link", info); err != nil {
		t.Fatal(err)
	}
	c := s.open("")
	f := fetch(t, c, artifact.Ref{Location: natsLocation("other", "link"), Digest: digest(body), MaxBytes: 1000})
	defer f.Release()
	wantContent(t, f, body)
}

func TestObjectInDomain(t *testing.T) {
	t.Parallel()
	s := newShelf(t, func(o *server.Options) { o.JetStreamDomain = "hub" })
	body := content("abc", 1000)
	s.put("k", body)
	c := s.open("")
	f := fetch(t, c, artifact.Ref{Location: natsLocation("b", "k"), JSDomain: "hub", Digest: digest(body)})
	defer f.Release()
	wantContent(t, f, body)
}

// An object whose chunks are gone never comes, and nothing says so.
func TestObjectStall(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	body := content("abc", 1000)
	s.dropChunks(s.put("k", body).NUID)
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, NATS: []*nats.Conn{s.nc}, Stall: time.Second})
	_, err := c.Fetch(t.Context(), artifact.Ref{Location: natsLocation("b", "k"), Digest: digest(body)})
	wantCode(t, err, nex.CodeArtifactUnavailable, "nothing came for 1s")
	wantFiles(t, dir)
}

func TestCloseEndsStalledObject(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	body := content("abc", 1000)
	s.dropChunks(s.put("k", body).NUID)
	dir := filepath.Join(t.TempDir(), "cache")
	c := s.open(dir)
	done := make(chan error)
	go func() {
		_, err := c.Fetch(t.Context(), artifact.Ref{Location: natsLocation("b", "k"), Digest: digest(body)})
		done <- err
	}()
	eventually(t, "the download has begun", func() bool { return len(list(t, dir)) > 0 })
	began := time.Now()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-done, nex.CodeArtifactUnavailable, "closed")
	wantFiles(t, dir)
	if took := time.Since(began); took > artifact.DefaultStall/2 {
		t.Errorf("close took %v", took)
	}
}

// slowDisk takes its time for the first write.
type slowDisk struct {
	artifact.PartialFile
	wait <-chan time.Time
}

func (d *slowDisk) Write(p []byte) (int, error) {
	if d.wait != nil {
		<-d.wait
		d.wait = nil
	}
	return d.PartialFile.Write(p)
}

// The object store's own limit for an object without a deadline is five seconds, and the node's
// disk may be slower than the source may stall.
func TestObjectMayTakeLong(t *testing.T) {
	if testing.Short() {
		t.Skip("takes six seconds")
	}
	t.Parallel()
	s := newShelf(t)
	body := content("abc", 4<<20)
	s.put("k", body)
	c := open(t, artifact.Config{NATS: []*nats.Conn{s.nc}, Stall: 5 * time.Second})
	c.WrapPartials(func(f artifact.PartialFile) artifact.PartialFile {
		return &slowDisk{f, time.After(6 * time.Second)}
	})
	f := fetch(t, c, artifact.Ref{Location: natsLocation("b", "k"), Digest: digest(body)})
	defer f.Release()
	wantContent(t, f, body)
}

func TestObjectWithoutJetStream(t *testing.T) {
	t.Parallel()
	without := natstest.Run(t, func(o *server.Options) { o.JetStream = false })
	plainAccount := natstest.Run(t, func(o *server.Options) {
		a, sys := server.NewAccount("A"), server.NewAccount("SYS")
		o.Accounts, o.SystemAccount = []*server.Account{a, sys}, "SYS"
		o.Users = []*server.User{{Username: "u", Password: "p", Account: a}}
	})
	closed := natstest.Connect(t, without)
	closed.Close()
	tests := []struct {
		name  string
		conns []*nats.Conn
		words string
	}{
		{"on the server", []*nats.Conn{natstest.Connect(t, without)}, "JetStream is not enabled"},
		{"for the account", []*nats.Conn{natstest.Connect(t, plainAccount, nats.UserInfo("u", "p"))}, "JetStream is not enabled"},
		{"closed connection", []*nats.Conn{closed}, "connection closed"},
		{"no connection", nil, "no NATS connection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t, artifact.Config{NATS: tt.conns})
			ref := artifact.Ref{Location: natsLocation("b", "k")}
			_, err := c.Check(t.Context(), ref)
			wantCode(t, err, nex.CodeArtifactUnavailable, tt.words)
			_, err = c.Fetch(t.Context(), ref)
			wantCode(t, err, nex.CodeArtifactUnavailable, tt.words)
		})
	}
}

func TestObjectOnSeveralConnections(t *testing.T) {
	t.Parallel()
	has, hasNot := newShelf(t), newShelf(t)
	body := content("abc", 1000)
	has.put("k", body)
	has.put("old", content("new", 1000))
	hasNot.put("old", body)
	without := natstest.Connect(t, natstest.Run(t, func(o *server.Options) { o.JetStream = false }))
	closed := natstest.Connect(t, has.server)
	closed.Close()
	tests := []struct {
		name  string
		key   string
		conns []*nats.Conn
		code  nex.Code
		words string
	}{
		{"on the second", "k", []*nats.Conn{hasNot.nc, has.nc}, "", ""},
		{"first without JetStream", "k", []*nats.Conn{without, has.nc}, "", ""},
		{"first broken", "k", []*nats.Conn{closed, has.nc}, "", ""},
		{"another artifact under the name on the first", "old", []*nats.Conn{has.nc, hasNot.nc}, "", ""},
		{"on none", "nokey", []*nats.Conn{without, hasNot.nc, has.nc}, nex.CodeArtifactNotFound, "no object"},
		{"on none that answers", "nokey", []*nats.Conn{hasNot.nc, closed}, nex.CodeArtifactUnavailable, "closed"},
		{"on none that is enabled", "k", []*nats.Conn{without, without}, nex.CodeArtifactUnavailable, "JetStream is not enabled"},
		{"only another artifact", "old", []*nats.Conn{has.nc, closed}, nex.CodeDigestMismatch, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t, artifact.Config{NATS: tt.conns})
			ref := artifact.Ref{Location: natsLocation("b", tt.key), Digest: digest(body)}
			_, err := c.Check(t.Context(), ref)
			if tt.code != "" {
				wantCode(t, err, tt.code, tt.words)
				_, err = c.Fetch(t.Context(), ref)
				wantCode(t, err, tt.code, tt.words)
				return
			}
			if err != nil {
				t.Errorf("check: %v", err)
			}
			f := fetch(t, c, ref)
			defer f.Release()
			wantContent(t, f, body)
		})
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	// Nobody answers on this subject, but there is somebody to answer.
	if _, err := s.nc.SubscribeSync("$JS.mute.API.>"); err != nil {
		t.Fatal(err)
	}
	c := s.open("")
	ref := artifact.Ref{Location: natsLocation("b", "k"), JSDomain: "mute"}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Check(ctx, ref)
	wantCode(t, err, nex.CodeArtifactUnavailable, "given up", "deadline")
	_, err = c.Fetch(ctx, ref)
	wantCode(t, err, nex.CodeArtifactUnavailable, "given up", "deadline")
}
