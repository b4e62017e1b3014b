package natsconn

import (
	"strings"
	"testing"
	"time"
)

func TestReconnectDelay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rounds int
		most   time.Duration
	}{{0, 100 * time.Millisecond}, {1, 100 * time.Millisecond}, {2, 200 * time.Millisecond}, {4, 800 * time.Millisecond}, {5, time.Second}, {1 << 40, time.Second}} {
		seen := make(map[time.Duration]bool)
		for range 50 {
			got := reconnectDelay(tt.rounds)
			if got < tt.most/2 || got > tt.most {
				t.Fatalf("round %d: delay %v, want between %v and %v", tt.rounds, got, tt.most/2, tt.most)
			}
			seen[got] = true
		}
		if len(seen) < 2 {
			t.Errorf("round %d: the delay has no jitter", tt.rounds)
		}
	}
}

func FuzzParseServer(f *testing.F) {
	for _, s := range []string{"nats://127.0.0.1:4222", "localhost", "u:p@h", "tls://[::1]:1", "wss://h/path", "://", "nats://%zz", "", "t/x@h", "u:1/2@h", "t?x@h", "t#x@h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseServer(raw)
		if (u == nil) == (err == nil) {
			t.Fatalf("parse = %v, %v", u, err)
		}
		if u != nil && u.User == nil && strings.Contains(raw, "@") {
			t.Fatalf("took a part of a user, password or token for the host of %q", raw)
		}
		if u != nil && u.Hostname() == "" {
			t.Fatalf("accepted %q without a host", raw)
		}
		if sameServer(raw, raw) && u == nil {
			t.Fatal("a malformed URL is the same as itself")
		}
	})
}
