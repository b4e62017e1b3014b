package preflight_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// hostPublish are the subjects that the user of host services must be allowed to publish to.
var hostPublish = []string{
	"$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.PURGE.*", "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.CREATE.>",
	"$JS.API.CONSUMER.INFO.>", "$JS.API.CONSUMER.MSG.NEXT.>", "$JS.API.CONSUMER.DELETE.>", "$KV.>", "$O.>",
}

// servedBy are the host services of a node on a server.
func servedBy(url string) config.HostServices {
	c := config.Default().HostServices
	c.NATSURL = strings.Replace(url, "//", "//"+user+":"+password+"@", 1)
	return c
}

func TestHostServices(t *testing.T) {
	t.Parallel()
	if g, own := preflight.HostServices(t.Context(), config.Default().HostServices); own {
		t.Errorf("without a connection: %+v", g)
	}
	inboxes := []string{"_INBOX.>"}
	check := func(t *testing.T, publish, subscribe []string) []checklist.Item {
		t.Helper()
		s := natstest.Run(t, allowing(publish, subscribe))
		g, own := preflight.HostServices(t.Context(), servedBy(s.ClientURL()))
		if !own || !g.Satisfied("nats") || !slices.Equal(g.Dirs, []string{s.ClientURL()}) {
			t.Errorf("group %+v", g)
		}
		return missing(g)
	}
	if got := check(t, hostPublish, inboxes); len(got) > 0 {
		t.Errorf("with all that is needed there is missing %+v", got)
	}
	if got := check(t, hostPublish, []string{"x"}); len(got) != 1 || got[0].Path != "subscribe _INBOX.>" {
		t.Errorf("without inboxes: %+v", got)
	}
	for _, subject := range hostPublish {
		t.Run(subject, func(t *testing.T) {
			t.Parallel()
			got := check(t, without(hostPublish, subject), inboxes)
			if len(got) != 1 || got[0].Path != "publish "+subject || !got[0].Optional || !strings.Contains(got[0].Do, `add "`+subject+`"`) {
				t.Errorf("missing are %+v", got)
			}
		})
	}
}

func TestHostServicesRefused(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, allowing([]string{">"}, []string{">"}))
	c := servedBy(strings.Replace(s.ClientURL(), "nats://", "nats://x", 1)) // another password
	c.NATSURL = strings.Replace(c.NATSURL, password+"@x", "s3cret@", 1)
	g, _ := preflight.HostServices(t.Context(), c)
	finding{"nats", "refuses the user or token in the URL: check host_services.nats_url", false}.check(t, g)
	if strings.Contains(g.Items[0].Do+g.Items[0].Path, "s3cret") {
		t.Errorf("the password is shown: %+v", g)
	}
}

// Buckets that are there stay as they are, also when each workload has the same.
func TestHostServicesAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	nc := natstest.Connect(t, s)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "all"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	c := config.Default().HostServices
	c.NATSURL, c.Services.KV.Config.BucketName = s.ClientURL(), "all"
	if g, _ := preflight.HostServices(t.Context(), c); len(missing(g)) > 0 {
		t.Errorf("missing are %+v", missing(g))
	}
	keys, err := kv.Keys(t.Context())
	if err != nil || !slices.Equal(keys, []string{"key"}) {
		t.Errorf("keys = %q, %v", keys, err)
	}
	info, err := js.AccountInfo(t.Context())
	if err != nil || info.Streams != 1 || info.Consumers != 0 {
		t.Errorf("%d streams and %d consumers, %v", info.Streams, info.Consumers, err)
	}
}
