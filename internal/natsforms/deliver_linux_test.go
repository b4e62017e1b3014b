package natsforms_test

// This file is about delivery at least once: what was acknowledged is there, and comes, though a server is lost.

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/nextest"
)

var messagesFlag = flag.Int("messages", 1_000_000, "how `many` messages TestMillion publishes")

// millionWithin bounds all of them. Two processors take half a minute if they have nothing else to do.
const millionWithin = 8 * time.Minute

// plain builds nex as users have it, without the race detector, and the programs that are clients of it in
// testdata, and returns their folder.
var plain = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(binDir, "plain")
	for _, pkg := range []string{"./cmd/nex", "./internal/natsforms/testdata/deliver", "./internal/natsforms/testdata/idle"} {
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", dir+string(filepath.Separator), pkg)
		cmd.Dir, cmd.Env = nextest.Root(), append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	return dir, nil
})

// TestMillion publishes messages to a stream of three replicas, and consumes them. On the way the server is
// killed that leads the stream, and has the publisher and the consumer as its clients. Both were told of that one
// alone. None of the messages is lost, and the stream has none twice.
func TestMillion(t *testing.T) {
	if !nextest.Sandboxed() {
		newForm(t) // says why not
	}
	programs, err := plain()
	must(t, err)
	m := newMesh(t, programs, "cluster.conf", "cluster-n1.sh", "cluster-n2.sh", "cluster-n3.sh")
	maker := m.at(1)
	maker.run("streams.sh")
	maker.ok("nats", "consumer", "add", "EVENTS", "deliver", "--pull", "--ack", "explicit", "--deliver", "all", "--max-pending", "100000", "--defaults")
	js, err := jetstream.New(maker.connect())
	must(t, err)
	events, err := js.Stream(t.Context(), "EVENTS")
	must(t, err)
	number := leader(t, events)
	clients := m.at(number).aside(filepath.Join(programs, "deliver"), "-url", meshURLs[number-1], "-stream", "EVENTS",
		"-subject", "events.deliver", "-durable", "deliver", "-messages", strconv.Itoa(*messagesFlag), "-within", millionWithin.String())
	nextest.Await(t, "a tenth of the messages are published", func() bool {
		info, err := events.Info(t.Context())
		return err == nil && info.State.Msgs >= uint64(*messagesFlag)/10
	})
	m.kill(number)
	select {
	case <-clients.Done():
	case <-time.After(millionWithin):
		t.Fatal("the clients do not end")
	}
	if err := clients.Stop(); err != nil {
		t.Fatalf("%v\n%s", err, clients.Log())
	}
	var report struct {
		Published   int           `json:"published"`
		Again       int           `json:"again"`
		Consumed    int           `json:"consumed"`
		Redelivered int           `json:"redelivered"`
		Reconnects  int           `json:"reconnects"`
		Took        time.Duration `json:"took"`
	}
	must(t, json.Unmarshal([]byte(clients.Output()), &report))
	t.Logf("%+v", report)
	if report.Published != *messagesFlag || report.Consumed != *messagesFlag {
		t.Errorf("of %d messages %d were acknowledged and %d consumed", *messagesFlag, report.Published, report.Consumed)
	}
	if report.Reconnects == 0 {
		t.Error("the clients have not lost their server")
	}
	var kept uint64
	nextest.Await(t, "the stream says what it has", func() bool {
		info, err := events.Info(t.Context())
		if err != nil {
			return false
		}
		kept = info.State.Msgs
		return true
	})
	if kept != uint64(*messagesFlag) {
		t.Errorf("of %d messages the stream has %d", *messagesFlag, kept)
	}
}

// leader is the number of the server that leads a stream.
func leader(t *testing.T, s jetstream.Stream) int {
	t.Helper()
	number := 0
	nextest.Await(t, "the stream has a leader", func() bool {
		info, err := s.Info(t.Context())
		if err != nil || info.Cluster == nil {
			return false
		}
		number = slices.Index([]string{"n1", "n2", "n3"}, info.Cluster.Leader) + 1
		return number > 0
	})
	return number
}
