package jserror_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/natsconn/jserror"
	"github.com/nex-engine/nex/internal/natstest"
)

// limited runs a server whose one account has these limits of JetStream.
func limited(t *testing.T, limits string) jetstream.JetStream {
	t.Helper()
	s := natstest.Run(t, func(o *server.Options) {
		store := o.StoreDir
		if err := o.ProcessConfigString("accounts { A { " + limits + ", users: [ { user: u, password: p } ] } }"); err != nil {
			t.Fatal(err)
		}
		o.JetStream, o.StoreDir = true, store
	})
	js, err := jetstream.New(natstest.Connect(t, s, nats.UserInfo("u", "p")))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		limits  string
		buckets []jetstream.ObjectStoreConfig // of which the last cannot be made
		want    string
		full    bool
	}{
		{"not for the account", "exports: []", []jetstream.ObjectStoreConfig{{Bucket: "a"}}, "JetStream is not enabled for the account: enable it there", false},
		{
			"streams", "jetstream { max_streams: 1 }",
			[]jetstream.ObjectStoreConfig{{Bucket: "a"}, {Bucket: "b"}},
			"the NATS account has as many buckets, or readers of them, as it may", false,
		},
		{
			"storage", "jetstream { max_store: 1M }",
			[]jetstream.ObjectStoreConfig{{Bucket: "a", MaxBytes: 1 << 19}, {Bucket: "b", MaxBytes: 1 << 20}},
			"the storage that the NATS account, or its server, may use is taken", true,
		},
		{
			"memory", "jetstream { max_mem: 1K }",
			[]jetstream.ObjectStoreConfig{{Bucket: "a", Storage: jetstream.MemoryStorage, MaxBytes: 1 << 20}},
			"the storage that the NATS account, or its server, may use is taken", true,
		},
		{"sizes", "jetstream { max_bytes_required: true }", []jetstream.ObjectStoreConfig{{Bucket: "a"}}, "the NATS account demands a limit of each bucket", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			js := limited(t, tt.limits)
			var err error
			for i, c := range tt.buckets {
				if _, err = js.CreateObjectStore(t.Context(), c); err != nil && i < len(tt.buckets)-1 {
					t.Fatal(err)
				}
			}
			if got := jserror.Explain(err); !strings.HasPrefix(got, tt.want) || jserror.Full(err) != tt.full {
				t.Errorf("%v is explained with %q, full %t; want %q, %t", err, got, jserror.Full(err), tt.want, tt.full)
			}
		})
	}
}

func TestExplainNoJetStream(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.JetStream = false })
	js, err := jetstream.New(natstest.Connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.ObjectStore(t.Context(), "a")
	if got := jserror.Explain(err); !strings.HasPrefix(got, "JetStream is not enabled: enable it on the NATS server") || !jserror.Missing(err) {
		t.Errorf("%v is explained with %q", err, got)
	}
}

func TestExplainNothing(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("x"), jetstream.ErrBucketNotFound, nats.ErrTimeout} {
		if got := jserror.Explain(err); got != "" || jserror.WithoutQuorum(err) {
			t.Errorf("%v is explained with %q", err, got)
		}
	}
}
