package natsforms_test

// This file is about streams of one and of three replicas, and about the ways to consume them.

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/nextest"
)

// TestReplicas kills the server of a stream of one replica, which takes that along, and with it one of the three
// of another, which goes on. Nex deploys and calls all the while.
func TestReplicas(t *testing.T) {
	m := newCluster(t)
	first := m.at(1)
	first.run("cluster-bucket.sh")
	first.run("streams.sh")
	for name, replicas := range map[string]int{"SAMPLES": 1, "EVENTS": 3} {
		var info jetstream.StreamInfo
		must(t, json.Unmarshal([]byte(first.ok("nats", "stream", "info", name, "--json")), &info))
		if got := 1 + len(info.Cluster.Replicas); got != replicas || info.Config.Replicas != replicas {
			t.Errorf("%s has %d replicas of %d, want %d", name, got, info.Config.Replicas, replicas)
		}
	}
	js, err := jetstream.New(first.connect())
	must(t, err)
	samples, err := js.Stream(t.Context(), "SAMPLES")
	must(t, err)
	lost := leader(t, samples)
	left := m.at(lost%len(m.members) + 1)
	node := left.joins()
	left.calls(node, "app")
	m.talksInJavaScript(strings.Replace(strings.Replace(left.env["NATS_URL"], "nats:", "ws:", 1), ":4222", ":8080", 1), appUser)
	publish(t, left, "samples.a", "events.a")

	m.kill(lost)
	nextest.Await(t, "the stream of three replicas goes on", func() bool { return tryPublish(t, left, "events.b") == nil })
	if err := tryPublish(t, left, "samples.b"); err == nil {
		t.Error("the stream of one replica goes on without its server")
	}
	left.awaitBucket()
	left.deploysFunction(node, "app.later", "--name=later")
	left.answers("app.later", "hello from app.later")
	left.answers("app.function", "hello from app.function")
	left.talks("talk")

	m.mortals(binDir, fmt.Sprintf("cluster-n%d.sh", lost))
	events, err := js.Stream(t.Context(), "EVENTS")
	must(t, err)
	nextest.Await(t, "all replicas are there again", func() bool {
		info, err := events.Info(t.Context())
		return err == nil && info.Cluster.Leader != "" && len(info.Cluster.Replicas) == 2 &&
			!slices.ContainsFunc(info.Cluster.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current })
	})
}

// publish publishes a message on each of some subjects, which a stream must acknowledge.
func publish(t *testing.T, tt *terminal, subjects ...string) {
	t.Helper()
	for _, s := range subjects {
		must(t, tryPublish(t, tt, s))
	}
}

func tryPublish(t *testing.T, tt *terminal, subject string) error {
	t.Helper()
	output, log, err := tt.finish(tt.command("nats", "req", subject, "a message", "--timeout", "2s"))
	if err == nil && !strings.Contains(output, `"seq":`) {
		return fmt.Errorf("%s is not acknowledged: %s%s", subject, output, log)
	}
	return err
}

// TestConsumers consumes a stream of three replicas in each way: durable, shared, pushed to a group, and from the
// start, a sequence or a time on.
func TestConsumers(t *testing.T) {
	m := newCluster(t)
	tt := m.at(2)
	tt.run("streams.sh")
	tt.run("consumers.sh")
	js, err := jetstream.New(tt.connect())
	must(t, err)
	events, err := js.Stream(t.Context(), "EVENTS")
	must(t, err)
	const messages = 20
	for n := 1; n <= messages; n++ {
		if n == messages/2 { // so that the time of a message is its own
			must(t, awaitTick(t, events))
		}
		_, err := js.Publish(t.Context(), "events.a", fmt.Append(nil, n))
		must(t, err)
	}

	t.Run("durable", func(t *testing.T) {
		if got := fetch(t, tt, "shared", 5); !slices.Equal(got, sequences(1, 5)) {
			t.Errorf("the first have sequences %d", got)
		}
		// Those who come later go on where it was: two of them share the rest.
		a, b := fetch(t, m.at(1), "shared", 7), fetch(t, m.at(3), "shared", 8)
		if got := append(a, b...); !slices.Equal(got, sequences(6, messages)) {
			t.Errorf("the others have sequences %d", got)
		}
	})
	t.Run("not acknowledged", func(t *testing.T) {
		again, err := events.CreateConsumer(t.Context(), jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second})
		must(t, err)
		for deliveries := 0; ; deliveries++ {
			m, err := again.Next(jetstream.FetchMaxWait(nextest.Patience))
			must(t, err)
			meta, err := m.Metadata()
			must(t, err)
			if meta.NumDelivered > 1 { // each of them comes again
				break
			}
			if deliveries >= messages {
				t.Fatalf("message %d has come for the first time after %d messages", meta.Sequence.Stream, deliveries)
			}
		}
	})
	t.Run("replayed", func(t *testing.T) {
		info, err := events.GetMsg(t.Context(), messages/2)
		must(t, err)
		at, err := events.CreateConsumer(t.Context(), jetstream.ConsumerConfig{
			Durable: "since", AckPolicy: jetstream.AckExplicitPolicy,
			DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &info.Time,
		})
		must(t, err)
		_, err = at.Info(t.Context())
		must(t, err)
		for consumer, from := range map[string]int{"third": 3, "latest": 1, "since": messages / 2} {
			if got := fetch(t, tt, consumer, messages-from+1); !slices.Equal(got, sequences(from, messages)) {
				t.Errorf("%s delivers sequences %d", consumer, got)
			}
		}
	})
	t.Run("pushed to a group", func(t *testing.T) { pushed(t, m, messages) })
}

// awaitTick waits until the servers' clock is past the last message of a stream, if there is one.
func awaitTick(t *testing.T, s jetstream.Stream) error {
	info, err := s.Info(t.Context())
	if err != nil {
		return err
	}
	nextest.Await(t, "the clock goes on", func() bool { return time.Now().After(info.State.LastTime.Add(time.Millisecond)) })
	return nil
}

// fetch fetches messages of a consumer of EVENTS by the server of a terminal, acknowledges them, and returns their
// sequences.
func fetch(t *testing.T, tt *terminal, consumer string, n int) []int {
	t.Helper()
	js, err := jetstream.New(tt.connect())
	must(t, err)
	c, err := js.Consumer(t.Context(), "EVENTS", consumer)
	must(t, err)
	batch, err := c.Fetch(n, jetstream.FetchMaxWait(nextest.Patience))
	must(t, err)
	var got []int
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		must(t, err)
		got = append(got, int(meta.Sequence.Stream))
		if c.CachedInfo().Config.AckPolicy != jetstream.AckNonePolicy {
			must(t, m.DoubleAck(t.Context()))
		}
	}
	must(t, batch.Error())
	return got
}

// sequences are those from one to another.
func sequences(from, to int) []int {
	var s []int
	for n := from; n <= to; n++ {
		s = append(s, n)
	}
	return s
}

// pushed lets two members of the group, at different servers, take what is pushed: what is there, and then more,
// until both have taken some.
func pushed(t *testing.T, m *mesh, messages int) {
	var mu sync.Mutex
	seen, took := make(map[uint64]bool), make([]int, 2)
	for i := range took {
		nc := m.at(i + 1).connect()
		_, err := nc.QueueSubscribe("pushed.events", "workers", func(m *nats.Msg) {
			meta, err := m.Metadata()
			if err != nil || m.AckSync() != nil {
				return // it comes again
			}
			mu.Lock()
			defer mu.Unlock()
			seen[meta.Sequence.Stream] = true
			took[i]++
		})
		must(t, err, nc.Flush())
	}
	nextest.Await(t, "the group has got all messages, and both of its members some", func() bool {
		publish(t, m.at(3), "events.more")
		messages++
		mu.Lock()
		defer mu.Unlock()
		return len(seen) >= messages-1 && took[0] > 0 && took[1] > 0
	})
}
