package embednats

import (
	"crypto/tls"
	"testing"

	"github.com/nats-io/nkeys"
)

func TestClientURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host   string
		config *tls.Config
		want   string
	}{
		{"127.0.0.1", nil, "nats://127.0.0.1:4222"},
		{"0.0.0.0", nil, "nats://127.0.0.1:4222"},
		{"::", nil, "nats://[::1]:4222"},
		{"nats.example.org", nil, "nats://nats.example.org:4222"},
		{"localhost", &tls.Config{}, "tls://localhost:4222"},
		{"localhost", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{{1}}}}}, "tls://localhost:4222"},
	} {
		if got := clientURL(tt.host, 4222, tt.config); got != tt.want {
			t.Errorf("URL of %s = %s, want %s", tt.host, got, tt.want)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	_, seed, err := newKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(append(seed, '\n'))
	f.Add([]byte("-----BEGIN USER NKEY SEED-----\nSU\n------END USER NKEY SEED------\n"))
	f.Add([]byte("SAABCDEF"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		k, err := parseKey(content)
		if (k == nil) == (err == nil) {
			t.Fatalf("parse = %v, %v", k, err)
		}
		if k == nil {
			return
		}
		if !nkeys.IsValidPublicUserKey(k.Public()) {
			t.Fatalf("accepted %q, whose public key %q is not a user's", content, k.Public())
		}
		if _, err := k.pair.Sign([]byte("x")); err != nil {
			t.Fatalf("the key cannot sign: %v", err)
		}
	})
}
