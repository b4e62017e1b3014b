package hostservice_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
)

func objectLimit(n int64) func(*hostservice.Config) {
	return func(c *hostservice.Config) { c.Services.ObjectStore.Config.MaxBytes = n }
}

// objects is the rig's bucket as other clients see it.
func (r *rig) objects(t testing.TB) jetstream.ObjectStore {
	t.Helper()
	o, err := r.jetStream(t).ObjectStore(t.Context(), strings.TrimPrefix(r.bucket(t).CachedInfo().Config.Name, "OBJ_"))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func listNames(t testing.TB, d *hostservice.Desk) []string {
	t.Helper()
	var names []string
	for _, o := range answer[hostapi.ListResponse](t, must(t, d, "objectstore", "list", nil, "")).Objects {
		names = append(names, o.Name)
	}
	return names
}

func TestObjects(t *testing.T) {
	r := newRig(t)
	if res := must(t, r.Desk, "objectstore", "list", nil, ""); string(res.Meta) != `{"objects":[]}` {
		t.Errorf("list of an empty bucket = %s", res.Meta)
	}
	odd := "any text: \x00 * > . ä\n"
	refused(t, r.Desk, "objectstore", "get", name("b"), "", hostapi.CodeNotFound, `"b"`)
	content := strings.Repeat("0123456789", 30_000) // three messages
	before := time.Now().Add(-time.Second)
	for _, n := range []string{"b", odd, "a"} {
		info := answer[hostapi.ObjectInfo](t, must(t, r.Desk, "objectstore", "put", name(n), "first"))
		if info.Name != n || info.Size != 5 || info.Modified.Before(before) {
			t.Errorf("put %q = %+v", n, info)
		}
	}
	must(t, r.Desk, "objectstore", "put", name("b"), content)
	must(t, r.Desk, "objectstore", "put", name("a"), "")
	res := must(t, r.Desk, "objectstore", "get", name("b"), "")
	h := sha256.New()
	h.Write([]byte(content))
	info := answer[hostapi.ObjectInfo](t, res)
	if string(res.Body) != content || info.Size != int64(len(content)) || info.Digest != jetstream.GetObjectDigestValue(h) || info.Modified.Before(before) {
		t.Errorf("get: %d bytes, %+v", len(res.Body), info)
	}
	if res := must(t, r.Desk, "objectstore", "get", name("a"), ""); len(res.Body) != 0 {
		t.Errorf("empty object = %q", res.Body)
	}
	if got, want := listNames(t, r.Desk), []string{"a", odd, "b"}; !slices.Equal(got, want) {
		t.Errorf("list %q, want %q", got, want)
	}
	must(t, r.Desk, "objectstore", "delete", name("b"), "")
	must(t, r.Desk, "objectstore", "delete", name("b"), "") // not there any more
	refused(t, r.Desk, "objectstore", "get", name("b"), "", hostapi.CodeNotFound)
	if got, want := listNames(t, r.Desk), []string{"a", odd}; !slices.Equal(got, want) {
		t.Errorf("list %q, want %q", got, want)
	}
	must(t, r.Desk, "objectstore", "delete", name("a"), "")
	must(t, r.Desk, "objectstore", "delete", name(odd), "")
	if n := r.messages(t); n != 0 {
		t.Errorf("the bucket keeps %d messages after everything was deleted", n)
	}
	refused(t, r.Desk, "objectstore", "put", name(""), "", hostapi.CodeInvalid, "empty")
	refused(t, r.Desk, "objectstore", "put", name(strings.Repeat("n", hostapi.MaxNameBytes+1)), "", hostapi.CodeInvalid, "1024")
	must(t, r.Desk, "objectstore", "put", name(strings.Repeat("n", hostapi.MaxNameBytes)), "v")
}

func TestObjectsWithOtherClients(t *testing.T) {
	r := newRig(t, objectLimit(0))
	content := strings.Repeat("0123456789", 30_000)
	must(t, r.Desk, "objectstore", "put", name("ours"), content)
	store := r.objects(t)
	if got, err := store.GetString(t.Context(), "ours"); err != nil || got != content {
		t.Fatalf("another client gets %d bytes, %v", len(got), err)
	}
	meta := jetstream.ObjectMeta{Name: "theirs", Opts: &jetstream.ObjectMetaOptions{ChunkSize: 1000}}
	if _, err := store.Put(t.Context(), meta, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if got := must(t, r.Desk, "objectstore", "get", name("theirs"), ""); string(got.Body) != content {
		t.Errorf("get of another client's object has %d bytes", len(got.Body))
	}
	must(t, r.Desk, "objectstore", "put", name("theirs"), "replaced")
	if got, err := store.GetString(t.Context(), "theirs"); err != nil || got != "replaced" {
		t.Fatalf("another client gets %q, %v", got, err)
	}
	if err := store.Delete(t.Context(), "ours"); err != nil {
		t.Fatal(err)
	}
	refused(t, r.Desk, "objectstore", "get", name("ours"), "", hostapi.CodeNotFound)
	if got := listNames(t, r.Desk); !slices.Equal(got, []string{"theirs"}) {
		t.Errorf("list %q", got)
	}
	must(t, r.Desk, "objectstore", "delete", name("theirs"), "")
	must(t, r.Desk, "objectstore", "delete", name("ours"), "") // what is left of it
	if n := r.messages(t); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

func TestObjectTooLarge(t *testing.T) {
	r := newRig(t, objectLimit(0))
	must(t, r.Desk, "objectstore", "list", nil, "")
	store := r.objects(t)
	if _, err := store.PutBytes(t.Context(), "large", make([]byte, hostapi.MaxMessageBytes+1)); err != nil {
		t.Fatal(err)
	}
	refused(t, r.Desk, "objectstore", "get", name("large"), "", hostapi.CodeTooLarge, `"large"`, "8388609", "8388608")
	refused(t, r.Desk, "objectstore", "put", name("large"), strings.Repeat("x", hostapi.MaxMessageBytes), hostapi.CodeTooLarge)
	most := strings.Repeat("x", hostapi.MaxMessageBytes-1024)
	must(t, r.Desk, "objectstore", "put", name("large"), most)
	if got := must(t, r.Desk, "objectstore", "get", name("large"), ""); string(got.Body) != most {
		t.Errorf("get has %d bytes, want %d", len(got.Body), len(most))
	}
}

func TestObjectBucketFull(t *testing.T) {
	const limit = 512 << 10
	r := newRig(t)
	refused(t, r.Desk, "objectstore", "put", name("huge"), strings.Repeat("x", limit+1), hostapi.CodeTooLarge, `"huge"`, "524288")
	content := strings.Repeat("x", limit*6/10)
	must(t, r.Desk, "objectstore", "put", name("a"), content)
	used := r.messages(t)
	refused(t, r.Desk, "objectstore", "put", name("b"), content, hostapi.CodeTooLarge, `"b"`, "delete")
	if n := r.messages(t); n != used {
		t.Errorf("a put that failed leaves %d messages", n-used)
	}
	if got := must(t, r.Desk, "objectstore", "get", name("a"), ""); string(got.Body) != content {
		t.Error("what was there before a put failed cannot be read")
	}
	// To the last byte, so that there is no room for markers either.
	var names []string
	for i := 0; ; i++ {
		n := fmt.Sprintf("n%05d", i)
		_, err := call(t.Context(), r.Desk, "objectstore", "put", name(n), "")
		if codeOf(err) == hostapi.CodeTooLarge {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, n)
	}
	if got := listNames(t, r.Desk); len(got) != len(names)+1 {
		t.Errorf("list of a full bucket has %d names, want %d", len(got), len(names)+1)
	}
	must(t, r.Desk, "objectstore", "delete", name(names[0]), "")
	must(t, r.Desk, "objectstore", "put", name(names[0]), "")
	must(t, r.Desk, "objectstore", "delete", name("a"), "")
	must(t, r.Desk, "objectstore", "put", name("b"), strings.Repeat("x", limit/2))
}

// Many write one object at one time: the bucket ends up with one of them and nothing of the others.
func TestObjectWrittenByManyAtOnce(t *testing.T) {
	r := newRig(t, objectLimit(16<<20))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := call(t.Context(), r.Desk, "objectstore", "put", name("o"), strings.Repeat(string(rune('a'+i)), 300_000)); err != nil {
				t.Error(err)
			}
			// Whoever reads meanwhile gets the whole of one of them.
			res, err := call(t.Context(), r.Desk, "objectstore", "get", name("o"), "")
			if err != nil {
				t.Error(err)
			} else if len(res.Body) != 300_000 || bytes.Count(res.Body, res.Body[:1]) != 300_000 {
				t.Errorf("%d bytes of several objects", len(res.Body))
			}
		})
	}
	wg.Wait()
	if n := r.messages(t); n != 4 {
		t.Errorf("the bucket has %d messages, want three of content and a description", n)
	}
}

// A put that its deadline ends has stored the object or has not, and leaves nothing else.
func TestObjectPutEndedByDeadline(t *testing.T) {
	const size, before = 1 << 20, "before"
	r := newRig(t, objectLimit(0))
	must(t, r.Desk, "objectstore", "put", name("o"), before)
	ended := 0
	for d := 500 * time.Microsecond; d < 15*time.Millisecond; d += 250 * time.Microsecond {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		_, err := call(ctx, r.Desk, "objectstore", "put", name("o"), strings.Repeat("x", size))
		cancel()
		if codeOf(err) == hostapi.CodeTimeout {
			ended++
		} else if err != nil && codeOf(err) != hostapi.CodeBusy {
			t.Fatal(err)
		}
	}
	if ended == 0 {
		t.Fatal("no put was ended by its deadline")
	}
	r.Close() // waits for what is under way
	d := newDesk(t, r.server, "default", "counter")
	res, chunks := must(t, d, "objectstore", "get", name("o"), ""), uint64(1)
	switch len(res.Body) {
	case len(before):
	case size:
		chunks = size / (128 << 10)
	default:
		t.Errorf("the object has %d bytes", len(res.Body))
	}
	if n := r.messages(t); n != chunks+1 {
		t.Errorf("the bucket has %d messages, want %d of content and a description", n, chunks)
	}
}

func TestObjectDamaged(t *testing.T) {
	r := newRig(t)
	js := r.jetStream(t)
	must(t, r.Desk, "objectstore", "put", name("o"), "content")
	store, stream := r.objects(t), r.bucket(t)
	good, err := store.GetInfo(t.Context(), "o")
	if err != nil {
		t.Fatal(err)
	}
	subject := "$O." + good.Bucket + ".M.bw==" // "o"
	put := func(meta string) {
		t.Helper()
		if _, err := js.Publish(t.Context(), subject, []byte(meta)); err != nil {
			t.Fatal(err)
		}
	}
	change := func(f func(*jetstream.ObjectInfo)) string {
		bad := *good
		f(&bad)
		b, err := json.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, meta := range []string{
		"", "{", `[]`, "{}",
		change(func(o *jetstream.ObjectInfo) { o.Size = 3 }),
		change(func(o *jetstream.ObjectInfo) { o.Size = 8 }),
		change(func(o *jetstream.ObjectInfo) { o.Chunks = 0 }),
		change(func(o *jetstream.ObjectInfo) { o.Chunks = 1 << 31 }),
		change(func(o *jetstream.ObjectInfo) { o.Digest = "SHA-256=xyz" }),
		change(func(o *jetstream.ObjectInfo) { o.NUID = "" }),
	} {
		put(meta)
		refused(t, r.Desk, "objectstore", "get", name("o"), "", hostapi.CodeInternal, "damaged", `"o"`)
		must(t, r.Desk, "objectstore", "list", nil, "")
	}
	put(change(func(o *jetstream.ObjectInfo) {
		o.Opts = &jetstream.ObjectMetaOptions{Link: &jetstream.ObjectLink{Bucket: "other", Name: "x"}}
	}))
	refused(t, r.Desk, "objectstore", "get", name("o"), "", hostapi.CodeDenied, "link")
	put("{")
	must(t, r.Desk, "objectstore", "put", name("o"), "again")
	if got := must(t, r.Desk, "objectstore", "get", name("o"), ""); string(got.Body) != "again" {
		t.Errorf("get = %q", got.Body)
	}
	put("{")
	must(t, r.Desk, "objectstore", "delete", name("o"), "")
	refused(t, r.Desk, "objectstore", "get", name("o"), "", hostapi.CodeNotFound)
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(info.State.Subjects); n != 0 {
		t.Error("a damaged description cannot be deleted")
	}
}
