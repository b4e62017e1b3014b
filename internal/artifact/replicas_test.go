package artifact_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/natstest"
)

// replicas play a bucket "b" of several replicas, of which each look gets the answer of another one: the digest of
// the object "o", which is empty, or "" from one that does not have it yet. The last one answers from then on.
func replicas(t *testing.T, number int, answers ...string) (nc *nats.Conn, looks *atomic.Int64) {
	t.Helper()
	s := natstest.Run(t, func(o *server.Options) { o.JetStream = false })
	player, looks := natstest.Connect(t, s), new(atomic.Int64)
	play := func(subject string, answer func() *nats.Msg) {
		_, err := player.Subscribe(subject, func(m *nats.Msg) {
			if err := m.RespondMsg(answer()); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	play("$JS.API.STREAM.INFO.OBJ_b", func() *nats.Msg {
		return &nats.Msg{Data: fmt.Appendf(nil, `{"config": {"name": "OBJ_b", "num_replicas": %d, "allow_direct": true}, "state": {}}`, number)}
	})
	subject := "$O.b.M." + base64.URLEncoding.EncodeToString([]byte("o"))
	play("$JS.API.DIRECT.GET.OBJ_b."+subject, func() *nats.Msg {
		digest := answers[min(int(looks.Add(1)), len(answers))-1]
		if digest == "" {
			return &nats.Msg{Header: nats.Header{"Status": {"404"}}}
		}
		info, err := json.Marshal(jetstream.ObjectInfo{ObjectMeta: jetstream.ObjectMeta{Name: "o"}, Bucket: "b", NUID: digest, Digest: digest})
		if err != nil {
			t.Error(err)
		}
		return &nats.Msg{Data: info, Header: nats.Header{
			jetstream.StreamHeader: {"OBJ_b"}, jetstream.SubjectHeader: {subject}, jetstream.SequenceHeader: {"1"},
			jetstream.TimeStampHeaer: {time.Now().Format(time.RFC3339Nano)},
		}}
	})
	if err := player.Flush(); err != nil {
		t.Fatal(err)
	}
	return natstest.Connect(t, s), looks
}

// stored is how the object store writes the digest of a body.
func stored(t *testing.T, body []byte) string {
	t.Helper()
	info, err := newShelf(t).bucket.PutBytes(t.Context(), "x", body)
	if err != nil {
		t.Fatal(err)
	}
	return info.Digest
}

// An object that was uploaded just now is found, whichever replica is asked.
func TestReplicasThatAreBehind(t *testing.T) {
	t.Parallel()
	now, before := stored(t, nil), stored(t, []byte("before"))
	for name, answers := range map[string][]string{
		"not there yet":     {"", "", now},
		"the one before":    {before, now},
		"one of them knows": {now, "", now, before, now, now},
	} {
		t.Run(name, func(t *testing.T) {
			nc, _ := replicas(t, 3, answers...)
			c := open(t, artifact.Config{NATS: []*nats.Conn{nc}})
			ref := artifact.Ref{Location: natsLocation("b", "o"), Digest: digest(nil)}
			f := fetch(t, c, ref)
			wantContent(t, f, nil)
			f.Release()
		})
	}
}

// What no replica has is refused all the same, and at once if there is one alone.
func TestReplicasWithoutIt(t *testing.T) {
	t.Parallel()
	for _, number := range []int{1, 3} {
		nc, looks := replicas(t, number, "")
		c := open(t, artifact.Config{NATS: []*nats.Conn{nc}})
		_, err := c.Check(t.Context(), artifact.Ref{Location: natsLocation("b", "o")})
		wantCode(t, err, nex.CodeArtifactNotFound, "no object")
		if again := looks.Load() > 1; again != (number > 1) {
			t.Errorf("%d looks at %d replicas", looks.Load(), number)
		}
	}
}
