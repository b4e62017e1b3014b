package hostservice_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
	"github.com/nex-engine/nex/internal/natstest"
)

func (r *rig) jetStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(r.nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// bucket is the stream of the one bucket that the rig's desk has made.
func (r *rig) bucket(t testing.TB) jetstream.Stream {
	t.Helper()
	var names []string
	js := r.jetStream(t)
	for n := range js.StreamNames(t.Context()).Name() {
		names = append(names, n)
	}
	if len(names) != 1 {
		t.Fatalf("streams %q, want one", names)
	}
	s, err := js.Stream(t.Context(), names[0])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) messages(t testing.TB) uint64 {
	t.Helper()
	info, err := r.bucket(t).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func kvLimit(n int64) func(*hostservice.Config) {
	return func(c *hostservice.Config) { c.Services.KV.Config.MaxBytes = n }
}

func TestKV(t *testing.T) {
	r := newRig(t)
	refused(t, r.Desk, "kv", "get", key("a"), "", hostapi.CodeNotFound, `"a"`)
	must(t, r.Desk, "kv", "set", key("a"), "one")
	must(t, r.Desk, "kv", "set", key("a"), "two\x00\xff")
	must(t, r.Desk, "kv", "set", key("Z/y=._-9"), "")
	if got := must(t, r.Desk, "kv", "get", key("a"), ""); string(got.Body) != "two\x00\xff" || len(got.Meta) != 0 {
		t.Errorf("get = %q, %q", got.Meta, got.Body)
	}
	if got := must(t, r.Desk, "kv", "get", key("Z/y=._-9"), ""); len(got.Body) != 0 {
		t.Errorf("get of an empty value = %q", got.Body)
	}
	keys := answer[hostapi.KeysResponse](t, must(t, r.Desk, "kv", "keys", nil, "")).Keys
	if want := []string{"Z/y=._-9", "a"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
	if n := r.messages(t); n != 2 {
		t.Errorf("the bucket has %d messages for two keys", n)
	}
	must(t, r.Desk, "kv", "delete", key("a"), "")
	must(t, r.Desk, "kv", "delete", key("a"), "") // not there any more
	refused(t, r.Desk, "kv", "get", key("a"), "", hostapi.CodeNotFound)
	must(t, r.Desk, "kv", "delete", key("Z/y=._-9"), "")
	if res := must(t, r.Desk, "kv", "keys", nil, ""); string(res.Meta) != `{"keys":[]}` {
		t.Errorf("keys of an empty bucket = %s", res.Meta)
	}
	if n := r.messages(t); n != 0 {
		t.Errorf("the bucket keeps %d messages after everything was deleted", n)
	}
}

// Other clients see the bucket as they see any other, and the desk sees what they do.
func TestKVWithOtherClients(t *testing.T) {
	r := newRig(t)
	must(t, r.Desk, "kv", "set", key("a"), "ours")
	kv, err := r.jetStream(t).KeyValue(t.Context(), strings.TrimPrefix(r.bucket(t).CachedInfo().Config.Name, "KV_"))
	if err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(t.Context(), "a"); err != nil || string(e.Value()) != "ours" {
		t.Fatalf("another client gets %v, %v", e, err)
	}
	must(t, r.Desk, "kv", "delete", key("a"), "")
	if _, err := kv.Get(t.Context(), "a"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("another client gets what was deleted: %v", err)
	}
	for k, remove := range map[string]func() error{
		"deleted": func() error { return kv.Delete(t.Context(), "deleted") },
		"purged":  func() error { return kv.Purge(t.Context(), "purged") },
	} {
		if _, err := kv.Put(t.Context(), k, []byte("theirs")); err != nil {
			t.Fatal(err)
		}
		if got := must(t, r.Desk, "kv", "get", key(k), ""); string(got.Body) != "theirs" {
			t.Errorf("get of another client's key = %q", got.Body)
		}
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		refused(t, r.Desk, "kv", "get", key(k), "", hostapi.CodeNotFound)
	}
	if res := must(t, r.Desk, "kv", "keys", nil, ""); string(res.Meta) != `{"keys":[]}` {
		t.Errorf("keys = %s after others deleted them", res.Meta)
	}
	must(t, r.Desk, "kv", "delete", key("deleted"), "")
	must(t, r.Desk, "kv", "delete", key("purged"), "")
	if n := r.messages(t); n != 0 {
		t.Errorf("%d markers are left", n)
	}
}

func TestKVFull(t *testing.T) {
	const limit = 8 << 10
	r := newRig(t, kvLimit(limit))
	refused(t, r.Desk, "kv", "set", key("huge"), strings.Repeat("x", limit), hostapi.CodeTooLarge, `"huge"`, "8192", "delete")
	// Values smaller than the marker of a delete, so that there is no room for markers either.
	var keys []string
	for i := 0; ; i++ {
		k := fmt.Sprintf("k%05d", i)
		_, err := call(t.Context(), r.Desk, "kv", "set", key(k), "")
		if codeOf(err) == hostapi.CodeTooLarge {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	if info := r.bucket(t).CachedInfo(); info.State.Bytes > limit {
		t.Errorf("the bucket has %d bytes of %d", info.State.Bytes, limit)
	}
	got := answer[hostapi.KeysResponse](t, must(t, r.Desk, "kv", "keys", nil, "")).Keys
	if !slices.Equal(got, keys) {
		t.Errorf("%d keys in a full bucket, want %d", len(got), len(keys))
	}
	must(t, r.Desk, "kv", "get", key(keys[0]), "")
	must(t, r.Desk, "kv", "set", key(keys[0]), "") // no larger than it was
	refused(t, r.Desk, "kv", "set", key("more"), strings.Repeat("x", 100), hostapi.CodeTooLarge)
	for _, k := range keys[:20] {
		must(t, r.Desk, "kv", "delete", key(k), "")
	}
	must(t, r.Desk, "kv", "set", key("more"), strings.Repeat("x", 100))
	for _, k := range keys {
		must(t, r.Desk, "kv", "delete", key(k), "")
	}
	must(t, r.Desk, "kv", "set", key("much"), strings.Repeat("x", limit*9/10))
}

func TestKVKeysRefused(t *testing.T) {
	r := newRig(t)
	for _, k := range []string{"", "a b", "a*", ">", "a.>", ".a", "a.", "a..b", "a\n", "ä", "\x00", "a$b", strings.Repeat("k", hostapi.MaxKeyBytes+1)} {
		for _, method := range []string{"get", "set", "delete"} {
			refused(t, r.Desk, "kv", method, key(k), "", hostapi.CodeInvalid, "key")
		}
	}
	refused(t, r.Desk, "kv", "set", key("schlüssel"), "", hostapi.CodeInvalid, `"schlüssel" has 'ü' in it`)
	long := strings.Repeat("k", hostapi.MaxKeyBytes)
	must(t, r.Desk, "kv", "set", key(long), "v")
	if got := must(t, r.Desk, "kv", "get", key(long), ""); string(got.Body) != "v" {
		t.Errorf("value of the longest key = %q", got.Body)
	}
	must(t, r.Desk, "kv", "delete", key(long), "")
}

func TestKVPayload(t *testing.T) {
	r := newRig(t, kvLimit(0))
	refused(t, r.Desk, "kv", "set", key("a"), strings.Repeat("x", 1<<20+1), hostapi.CodeTooLarge, "1048576")
	must(t, r.Desk, "kv", "set", key("a"), strings.Repeat("x", 1<<20))
	if got := must(t, r.Desk, "kv", "get", key("a"), ""); len(got.Body) != 1<<20 {
		t.Errorf("value has %d bytes", len(got.Body))
	}
}

// More keys than a scan asks for at one time.
func TestKVManyKeys(t *testing.T) {
	r := newRig(t)
	want := make([]string, 600)
	for i := range want {
		want[i] = fmt.Sprintf("k%03d", i)
		must(t, r.Desk, "kv", "set", key(want[i]), "v")
	}
	if got := answer[hostapi.KeysResponse](t, must(t, r.Desk, "kv", "keys", nil, "")).Keys; !slices.Equal(got, want) {
		t.Errorf("%d keys, want %d", len(got), len(want))
	}
	for n := range r.bucket(t).ConsumerNames(t.Context()).Name() {
		t.Errorf("consumer %s is left", n)
	}
}

func TestBucketsOfWorkloadsAreApart(t *testing.T) {
	s := natstest.Run(t)
	for _, w := range [][2]string{{"a_b", "c"}, {"a", "b_c"}, {"a", "b-c"}, {"a-b", "c"}} {
		d := newDesk(t, s, w[0], w[1])
		for _, service := range []struct{ name, get, set string }{{"kv", "get", "set"}, {"objectstore", "get", "put"}} {
			meta := any(key("k"))
			if service.name == "objectstore" {
				meta = name("k")
			}
			refused(t, d, service.name, service.get, meta, "", hostapi.CodeNotFound)
			must(t, d, service.name, service.set, meta, w[0]+"/"+w[1])
		}
	}
}

func TestBucketTemplate(t *testing.T) {
	s := natstest.Run(t)
	shared := func(c *hostservice.Config) { c.Services.KV.Config.BucketName = "of-${namespace}" }
	must(t, newDesk(t, s, "ns", "one", shared), "kv", "set", key("k"), "v")
	if got := must(t, newDesk(t, s, "ns", "two", shared), "kv", "get", key("k"), ""); string(got.Body) != "v" {
		t.Errorf("shared bucket has %q", got.Body)
	}
	js := (&rig{nc: natstest.Connect(t, s)}).jetStream(t)
	if _, err := js.KeyValue(t.Context(), "of-ns"); err != nil {
		t.Error(err)
	}
}

func TestBucketNotProvisioned(t *testing.T) {
	off := func(c *hostservice.Config) {
		c.Services.KV.Config.JITProvision = false
		c.Services.KV.Config.BucketName = "made-by-hand"
		c.Services.ObjectStore.Config.JITProvision = false
	}
	r := newRig(t, off)
	refused(t, r.Desk, "kv", "set", key("k"), "v", hostapi.CodeNotFound, "nats kv add made-by-hand", "jit_provision")
	refused(t, r.Desk, "objectstore", "list", nil, "", hostapi.CodeNotFound, "nats object add nex-default_-counter")
	// Its own limits, not those of the configuration, are what counts.
	_, err := r.jetStream(t).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "made-by-hand", MaxValueSize: 10, History: 5})
	if err != nil {
		t.Fatal(err)
	}
	must(t, r.Desk, "kv", "set", key("k"), "1")
	must(t, r.Desk, "kv", "set", key("k"), "2")
	refused(t, r.Desk, "kv", "set", key("k"), "12345678901", hostapi.CodeTooLarge, "10")
	must(t, r.Desk, "kv", "delete", key("k"), "")
	if n := r.messages(t); n != 0 {
		t.Errorf("%d messages of a deleted key are left", n)
	}
}

func TestBucketDeletedBySomebody(t *testing.T) {
	r := newRig(t)
	must(t, r.Desk, "kv", "set", key("k"), "v")
	for _, step := range []func(){
		func() { refused(t, r.Desk, "kv", "get", key("k"), "", hostapi.CodeNotFound, `"k"`) },
		func() { must(t, r.Desk, "kv", "set", key("k"), "v") },
		func() { must(t, r.Desk, "kv", "delete", key("k"), "") },
		func() { must(t, r.Desk, "kv", "keys", nil, "") },
	} {
		if err := r.jetStream(t).DeleteStream(t.Context(), r.bucket(t).CachedInfo().Config.Name); err != nil {
			t.Fatal(err)
		}
		step()
	}
}

// Replicas on several nodes, which need not even agree about the limits.
func TestBucketProvisionedByManyAtOnce(t *testing.T) {
	s := natstest.Run(t)
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for i := range 8 {
		d := newDesk(t, s, "default", "counter", kvLimit(int64(1+i%2)<<20))
		for j := range 4 {
			wg.Go(func() {
				_, err := call(t.Context(), d, "kv", "set", key(fmt.Sprintf("k%d-%d", i, j)), "v")
				errs <- err
				_, err = call(t.Context(), d, "objectstore", "put", name(fmt.Sprintf("o%d-%d", i, j)), "v")
				errs <- err
			})
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	d := newDesk(t, s, "default", "counter")
	if keys := answer[hostapi.KeysResponse](t, must(t, d, "kv", "keys", nil, "")).Keys; len(keys) != 32 {
		t.Errorf("%d keys, want 32", len(keys))
	}
}

func TestWithoutJetStream(t *testing.T) {
	s := natstest.Run(t, func(o *server.Options) { o.JetStream = false })
	d := newDesk(t, s, "default", "counter")
	refused(t, d, "kv", "get", key("k"), "", hostapi.CodeUnavailable, "JetStream", "enable")
	refused(t, d, "objectstore", "put", name("k"), "v", hostapi.CodeUnavailable, "JetStream", "enable")
	js, err := jetstream.New(natstest.Connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AccountInfo(t.Context()); !errors.Is(err, jetstream.ErrJetStreamNotEnabled) {
		t.Fatalf("the server has JetStream: %v", err)
	}
}

// The limits of an account bound its buckets together, whatever each of them may have.
func TestAccountFull(t *testing.T) {
	s := natstest.Run(t, func(o *server.Options) { o.JetStreamMaxStore = 300 << 10 })
	d := newDesk(t, s, "default", "counter")
	refused(t, d, "kv", "set", key("k"), "v", hostapi.CodeTooLarge, "nex-default_-counter", "account")
	d = newDesk(t, s, "default", "counter", kvLimit(0))
	for i := range 10 {
		_, err := call(t.Context(), d, "kv", "set", key(fmt.Sprint(i)), strings.Repeat("x", 100<<10))
		if err != nil {
			wantError(t, err, hostapi.CodeTooLarge, "account")
			must(t, d, "kv", "get", key("0"), "")
			must(t, d, "kv", "delete", key("0"), "")
			must(t, d, "kv", "set", key("0"), "v")
			return
		}
	}
	t.Error("the account took everything")
}

// What an account does not allow at all is told as that.
func TestAccountHasTooManyBuckets(t *testing.T) {
	s := natstest.Run(t, func(o *server.Options) {
		store := o.StoreDir
		if err := o.ProcessConfigString("accounts { A { jetstream { max_streams: 1 }, users: [ { user: u, password: p } ] } }"); err != nil {
			t.Fatal(err)
		}
		o.JetStream, o.StoreDir = true, store
	})
	nc := natstest.Connect(t, s, nats.UserInfo("u", "p"))
	must(t, deskOn(t, openServices(t), nc, "default", "first"), "kv", "set", key("k"), "v")
	refused(t, deskOn(t, openServices(t), nc, "default", "second"), "kv", "set", key("k"), "v",
		hostapi.CodeUnavailable, "kv is unavailable: the NATS account has as many buckets, or readers of them, as it may: remove some, or raise the limits of its JetStream")
}

func TestJetStreamNotEnabledForAccount(t *testing.T) {
	s := natstest.Run(t, func(o *server.Options) {
		plain := server.NewAccount("PLAIN")
		o.Accounts = []*server.Account{plain}
		o.Users = []*server.User{{Username: "u", Password: "p", Account: plain}}
	})
	d := deskOn(t, openServices(t), natstest.Connect(t, s, nats.UserInfo("u", "p")), "default", "counter")
	refused(t, d, "kv", "get", key("k"), "", hostapi.CodeUnavailable, "JetStream", "account")
}

// What the connection's user may not do is not done for him, and does not hang.
func TestPermissions(t *testing.T) {
	s := natstest.Run(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"ok.>"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	})
	nc := natstest.Connect(t, s, nats.UserInfo("u", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	d := deskOn(t, openServices(t), nc, "default", "counter")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := call(ctx, d, "kv", "get", key("k"), "")
	wantError(t, err, hostapi.CodeTimeout, "permissions")
	must(t, d, "messaging", "publish", subject("ok.a"), "")
}

func TestServerGone(t *testing.T) {
	r := newRig(t)
	must(t, r.Desk, "kv", "set", key("k"), "v")
	r.server.Shutdown()
	r.server.WaitForShutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := call(ctx, r.Desk, "kv", "get", key("k"), "")
	wantError(t, err, hostapi.CodeUnavailable, "NATS")
	for _, method := range []string{"request", "request_many"} {
		_, err = call(t.Context(), r.Desk, "messaging", method, `{"subject":"a","timeout_ms":100}`, "")
		wantError(t, err, hostapi.CodeUnavailable, "NATS")
	}
}
