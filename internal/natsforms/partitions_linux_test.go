package natsforms_test

// This file is about the partitions of a subject, each with a stream of its own at another server.

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/nextest"
)

// TestPartitions publishes the same keys at all servers: each key has its partition, whatever server it comes by,
// and each partition its server.
func TestPartitions(t *testing.T) {
	m := newMesh(t, binDir, "partitions.conf", "partitions-n1.sh", "partitions-n2.sh", "partitions-n3.sh")
	first := m.at(1)
	first.run("cluster-bucket.sh")
	first.run("partitions-streams.sh")
	const keys, partitions = 60, 3
	for number := range meshURLs {
		js, err := jetstream.New(m.at(number + 1).connect())
		must(t, err)
		for key := range keys {
			_, err := js.Publish(t.Context(), "orders."+strconv.Itoa(key), nil)
			must(t, err)
		}
	}
	js, err := jetstream.New(first.connect())
	must(t, err)
	found := make(map[string]int)
	for p := range partitions {
		stream, err := js.Stream(t.Context(), fmt.Sprintf("ORDERS-%d", p))
		must(t, err)
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter("orders.>"))
		must(t, err)
		if want := fmt.Sprintf("n%d", p+1); info.Cluster.Leader != want || info.Config.Replicas != 1 {
			t.Errorf("partition %d is at %+v, want %s", p, info.Cluster, want)
		}
		if len(info.State.Subjects) == 0 {
			t.Errorf("partition %d has no key", p)
		}
		for subject, messages := range info.State.Subjects {
			if messages != uint64(len(meshURLs)) {
				t.Errorf("%s has %d messages in partition %d, of those from %d servers", subject, messages, p, len(meshURLs))
			}
			found[subject]++
		}
	}
	if len(found) != keys {
		t.Errorf("%d keys are in %d partitions of keys", keys, len(found))
	}

	node := m.at(2).joins()
	third := m.at(3)
	third.finds(node)
	third.calls(node, "app")
	first.talks("talk")
	m.talksInJavaScript("ws://127.0.0.2:8080", appUser)
	third.deploysFunction(node, "orders.*.1", "--name=second")
	byPartition(t, third.connect(), found)
}

// byPartition asks with each key: the function that is on the second partition answers its keys, and no others. Those
// it is asked with before its own, and their answers are looked for after them.
func byPartition(t *testing.T, nc *nats.Conn, found map[string]int) {
	t.Helper()
	inbox, err := nc.SubscribeSync(nats.NewInbox())
	must(t, err)
	others, err := nc.SubscribeSync(nats.NewInbox())
	must(t, err)
	var own []string
	for subject := range found {
		key, partition, _ := strings.Cut(strings.TrimPrefix(subject, "orders."), ".")
		if partition == "1" {
			own = append(own, subject)
			continue
		}
		must(t, nc.PublishRequest("orders."+key, others.Subject, nil))
	}
	for _, subject := range own {
		key, _, _ := strings.Cut(strings.TrimPrefix(subject, "orders."), ".")
		nextest.Await(t, "the function answers "+key, func() bool {
			if nc.PublishRequest("orders."+key, inbox.Subject, nil) != nil {
				return false
			}
			for {
				m, err := inbox.NextMsg(nats.DefaultTimeout)
				if err != nil {
					return false
				}
				if string(m.Data) == "hello from "+subject { // the stream acknowledges too
					return true
				}
			}
		})
	}
	// Each of the others is answered by its stream, which acknowledges it, and by nobody else.
	for left := len(found) - len(own); left > 0; {
		m, err := others.NextMsg(nextest.Patience)
		must(t, err)
		if strings.HasPrefix(string(m.Data), "hello from ") {
			t.Errorf("the function of another partition says %s", m.Data)
		} else {
			left--
		}
	}
	if n, _, err := others.Pending(); n > 0 || err != nil {
		t.Errorf("there are %d more answers of other partitions (%v)", n, err)
	}
}
