package preflight

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/hostservice/bucket"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// HostServices checks the connection that the configuration gives host services, and what its user may do there: for
// a function by the name preflight, which nobody notices. It reports false if they have no connection of their own.
func HostServices(ctx context.Context, c config.HostServices) (checklist.Group, bool) {
	settings, own := c.Connection()
	if !own {
		return checklist.Group{}, false
	}
	url, err := settings.URL()
	if err != nil {
		url = "" // connecting fails for the same reason, and says so
	}
	server := checklist.Item{Name: "nats", Path: url, Description: "NATS server of host services"}
	nc, err := settings.Connect(ctx)
	if err != nil {
		g := checklist.NewGroup("NATS for host services", url)
		g.Add(server.Missing(err.Error()))
		return g, true
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	server.Path = natsconn.ConnectedURL(nc)
	g := checklist.NewGroup("NATS for host services", server.Path)
	g.Add(server.Found(), version(nc))
	inbox, all := inboxOf(nc)
	g.Add(subscribing(inbox, all, "to get answers").optional("inbox").try(ctx, nc))
	for _, p := range hostPermissions(c.Services) {
		g.Add(p.try(ctx, nc))
	}
	return g, true
}

// hostPermissions are what the services need that have buckets.
func hostPermissions(s config.Services) []permission {
	var all []permission
	api := map[string]bool{} // once, for both
	for _, one := range []struct {
		name, stream, subjects string
		service                config.Service[config.BucketConfig]
	}{{"kv", "KV_", "$KV.", s.KV}, {"objectstore", "OBJ_", "$O.", s.ObjectStore}} {
		name, err := bucket.Name(one.service.Config.BucketName, "default", "preflight")
		if !one.service.Enabled || err != nil { // which the check of the configuration says
			continue
		}
		stream := one.stream + name
		for _, call := range []struct{ tried, allow string }{
			{"INFO", "INFO"},
			{"STREAM.INFO." + stream, "STREAM.INFO.*"},
			{"STREAM.CREATE." + stream, "STREAM.CREATE.*"},
			{"STREAM.PURGE." + stream, "STREAM.PURGE.*"},
			{"DIRECT.GET." + stream + "." + one.subjects + name + ".preflight", "DIRECT.GET.>"},
			{"CONSUMER.CREATE." + stream + ".preflight", "CONSUMER.CREATE.>"},
			{"CONSUMER.INFO." + stream + ".preflight", "CONSUMER.INFO.>"},
			{"CONSUMER.MSG.NEXT." + stream + ".preflight", "CONSUMER.MSG.NEXT.>"},
			{"CONSUMER.DELETE." + stream + ".preflight", "CONSUMER.DELETE.>"},
		} {
			if !api[call.allow] && (one.service.Config.JITProvision || call.allow != "STREAM.CREATE.*") {
				api[call.allow] = true
				p := publishing("$JS.API."+call.tried, "$JS.API."+call.allow, "for kv and objectstore").optional("buckets")
				p.body = noRequest
				all = append(all, p)
			}
		}
		p := publishing(one.subjects+name+".preflight", one.subjects+">", "to write into "+one.name).optional(one.name)
		p.header = nats.Header{nats.ExpectedStreamHdr: {"preflight"}} // so that no stream takes it
		all = append(all, p)
	}
	return all
}
