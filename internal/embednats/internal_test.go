package embednats

import (
	"crypto/tls"
	"testing"
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
