package node_test

import (
	"testing"

	"github.com/nex-engine/nex/internal/node"
)

// What services are told of a NATS server that is named by an address, or is this machine, can be
// rewritten; names belong to others.
func TestServersByAddress(t *testing.T) {
	for server, want := range map[string]string{
		"nats://127.0.0.1:4222":         "127.0.0.1:4222",
		"nats://localhost:4223":         "127.0.0.1:4223",
		"nats://user:secret@10.0.0.7":   "10.0.0.7:4222",
		"127.0.0.1":                     "127.0.0.1:4222",
		"ws://192.0.2.1:8080":           "192.0.2.1:8080",
		"nats://[::1]:4222":             "127.0.0.1:4222",
		"nats://nats.example.com:4222":  "",
		"tls://127.0.0.1:4222":          "",
		"wss://127.0.0.1:443":           "",
		"nats://[2001:db8::1]:4222":     "",
		"nats://127.0.0.1:no":           "",
		"nats://127.0.0.1:99999":        "",
		"":                              "",
		"nats://nats.example.com, bad:": "",
	} {
		if got := node.ByAddress(server); got != want {
			t.Errorf("%q is at %q, want %q", server, got, want)
		}
	}
}
