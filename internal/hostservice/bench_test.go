package hostservice_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/hostapi"
)

// What a request costs from the desk's Handle on, with NATS and a web server on this machine.
func BenchmarkHandle(b *testing.B) {
	d := webDesk(b)
	r := newRig(b)
	r.serve(b, "echo", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	url := serveHTTP(b, func(http.ResponseWriter, *http.Request) {})
	must(b, r.Desk, "kv", "set", key("k"), "value")
	must(b, r.Desk, "objectstore", "put", name("o"), strings.Repeat("x", 100_000))
	for _, c := range []struct {
		name, service, method string
		meta                  any
	}{
		{"kv get", "kv", "get", key("k")},
		{"kv set", "kv", "set", key("k")},
		{"kv keys", "kv", "keys", nil},
		{"object get 100 kB", "objectstore", "get", name("o")},
		{"publish", "messaging", "publish", subject("nobody")},
		{"request", "messaging", "request", subject("echo")},
		{"http", "http", "request", get(url)},
	} {
		b.Run(c.name, func(b *testing.B) {
			desk := r.Desk
			if c.service == hostapi.HTTP {
				desk = d
			}
			b.ReportAllocs()
			for b.Loop() {
				must(b, desk, c.service, c.method, c.meta, "value")
			}
		})
	}
}
