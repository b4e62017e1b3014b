package preflight_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// Host services that have no connection of their own use the node's, whose user then needs what they need.
func TestNATSOfHostServices(t *testing.T) {
	t.Parallel()
	all := append(slices.Clone(neededPublish), hostPublish...)
	services := config.Default().HostServices.Services
	check := func(t *testing.T, publish []string) []checklist.Item {
		t.Helper()
		c := connectTo(natstest.Run(t, allowing(publish, neededSubscribe)).ClientURL())
		c.Services = &services
		return missing(c.Check(t.Context(), node))
	}
	if got := check(t, all); len(got) > 0 {
		t.Errorf("with all that is needed there is missing %+v", got)
	}
	for _, subject := range hostPublish {
		t.Run(subject, func(t *testing.T) {
			t.Parallel()
			got := check(t, without(all, subject))
			if len(got) != 1 || got[0].Path != "publish "+subject || !got[0].Optional || !strings.Contains(got[0].Do, `add "`+subject+`"`) {
				t.Errorf("missing are %+v", got)
			}
		})
	}
}

// The configuration says which connection that is.
func TestRunTriesHostServices(t *testing.T) {
	t.Parallel()
	url := natstest.Run(t, allowing(append(without(hostPublish, "$KV.>"), neededPublish...), neededSubscribe)).ClientURL()
	agent := writeScript(t, "nex-agent", "echo "+nex.Version)
	for services, want := range map[string]string{
		`{}`: "NATS",
		fmt.Sprintf(`{"nats_url": %q}`, strings.Replace(url, "//", "//"+user+":"+password+"@", 1)): "NATS for host services",
		`{"services": {"kv": {"enabled": false}}}`:                                                 "",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			dir := private(t)
			file := write(t, filepath.Join(dir, "config.json"), fmt.Sprintf(`{"bin_path": [%q], "host_services": %s}`, agent, services))
			groups, _ := preflight.Run(t.Context(), preflight.Config{
				File: file, DataDir: filepath.Join(dir, "data"), NoSandbox: true, NATS: connectTo(url), Trials: works(),
			})
			var titles []string
			for _, g := range groups {
				if slices.ContainsFunc(missing(g), func(i checklist.Item) bool { return i.Path == "publish $KV.>" }) {
					titles = append(titles, g.Title)
				}
			}
			if got := strings.Join(titles, ", "); got != want {
				t.Errorf("publish $KV.> is missing in %q, want %q", got, want)
			}
			if n := checklist.Blocking(groups); n != 0 {
				t.Errorf("%d items block, want none: %+v", n, groups)
			}
		})
	}
}

// A user to whom only inboxes are denied may ask the server what it may do, but does not hear the answer. That
// inboxes are missing is said all the same.
func TestNATSDeniedInboxes(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) {
		inboxes := &server.SubjectPermission{Deny: []string{"_INBOX.>"}}
		o.Users = []*server.User{{Username: user, Password: password, Permissions: &server.Permissions{Publish: inboxes, Subscribe: inboxes}}}
	})
	g := connectTo(s.ClientURL()).Check(t.Context(), node)
	if got := missing(g); len(got) != 1 || got[0].Path != "subscribe _INBOX.>" || !strings.Contains(got[0].Do, `add "_INBOX.>" to the subjects that the user may subscribe to`) {
		t.Errorf("missing are %+v", got)
	}
	if !slices.ContainsFunc(g.Items, func(i checklist.Item) bool { return i.Note && i.Path == "publish _INBOX.>" }) {
		t.Errorf("nothing is said of answers: %+v", g.Items)
	}
}

// Inboxes are where those of the connection are.
func TestNATSInboxPrefix(t *testing.T) {
	t.Parallel()
	publish := append(without(neededPublish, "_INBOX.>"), "$SYS.REQ.USER.INFO")
	subscribe := without(neededSubscribe, "_INBOX.>")
	for prefix, want := range map[string]string{
		"_INBOX_node": "", "inbox.of.node": "", "elsewhere.node": "elsewhere.node.>",
	} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			s := natstest.Run(t, func(o *server.Options) {
				allowing(publish, append(slices.Clone(subscribe), "_INBOX_node.>", "inbox.of.node.>"))(o)
				o.Users[0].Permissions.Response = &server.ResponsePermission{}
			})
			settings := settingsFor(s.ClientURL())
			settings.InboxPrefix = prefix
			got := missing(connectWith(settings).Check(t.Context(), node))
			switch {
			case want == "" && len(got) > 0:
				t.Errorf("missing are %+v", got)
			case want != "" && (len(got) != 1 || got[0].Path != "subscribe "+want):
				t.Errorf("missing are %+v, want subscribe %s", got, want)
			}
		})
	}
}

// The JetStream of host services may be in a domain, whose subjects then are those to try. A server that is of the
// domain knows them by their usual names.
func TestHostServicesInADomain(t *testing.T) {
	t.Parallel()
	var elsewhere []string
	for _, subject := range hostPublish {
		if subject != "$O.>" { // which are written where the connection is
			subject = "$JS.hub.API." + strings.TrimPrefix(subject, "$JS.API.")
		}
		elsewhere = append(elsewhere, subject)
	}
	for domain, publish := range map[string][]string{"hub": hostPublish, "edge": elsewhere} {
		for _, left := range append([]string{""}, publish...) {
			t.Run(domain+" "+left, func(t *testing.T) {
				t.Parallel()
				s := natstest.Run(t, allowing(without(publish, left), []string{"_INBOX.>"}), func(o *server.Options) { o.JetStreamDomain = domain })
				c := servedBy(s.ClientURL())
				c.NATSContext = write(t, filepath.Join(t.TempDir(), "hub.json"), `{"jetstream_domain": "hub"}`)
				g, _ := preflight.HostServices(t.Context(), c)
				got := missing(g)
				if left == "" && len(got) > 0 || left != "" && (len(got) != 1 || got[0].Path != "publish "+left || !strings.Contains(got[0].Do, strconv.Quote(left))) {
					t.Errorf("missing are %+v", got)
				}
			})
		}
	}
}
