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
	failed := func(err error) (checklist.Group, bool) {
		g := checklist.NewGroup("NATS for host services", url)
		g.Add(server.Missing(err.Error()))
		return g, true
	}
	place, err := settings.JetStreamPlace()
	if err != nil {
		return failed(err)
	}
	nc, err := settings.Connect(ctx)
	if err != nil {
		return failed(err)
	}
	defer nc.Close()
	url = natsconn.ConnectedURL(nc)
	server.Path = url
	inbox, all := inboxOf(nc)
	asking := subscribing(inbox, all, "to get answers").optional("inbox")
	found, err := tryAll(ctx, nc, append([]permission{asking}, hostPermissions(place, c.Services)...))
	if err != nil {
		return failed(err)
	}
	g := checklist.NewGroup("NATS for host services", url)
	g.Add(server.Found(), version(nc))
	g.Add(found[0]...)
	return g, true
}

// hostPermissions are what the services need that have buckets, of the JetStream that is there.
func hostPermissions(place natsconn.JetStreamPlace, s config.Services) []permission {
	var all []permission
	api, seen := place.API(), map[string]bool{} // once, for both
	for _, one := range []struct {
		name, stream, subjects, written string
		service                         config.Service[config.BucketConfig]
	}{{"kv", "KV_", "$KV.", place.KeyValues(), s.KV}, {"objectstore", "OBJ_", "$O.", "$O.", s.ObjectStore}} {
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
			if !seen[call.allow] && (one.service.Config.JITProvision || call.allow != "STREAM.CREATE.*") {
				seen[call.allow] = true
				p := publishing(api+call.tried, api+call.allow, "for kv and objectstore").optional("buckets").in(place)
				p.body = noRequest
				all = append(all, p)
			}
		}
		p := publishing(one.written+name+".preflight", one.written+">", "to write into "+one.name).optional(one.name)
		if one.written != one.subjects {
			p = p.in(place)
		}
		p.header = nats.Header{nats.ExpectedStreamHdr: {"preflight"}} // so that no stream takes it
		all = append(all, p)
	}
	return all
}
