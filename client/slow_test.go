package client_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natstest"
)

// line is a TCP line to a server, on which what the server says can be held up.
type line struct {
	url    string
	mu     sync.Mutex
	openAt time.Time // nothing arrives before
}

// hold lets nothing arrive for a while.
func (l *line) hold(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.openAt = time.Now().Add(d)
}

func (l *line) wait() {
	l.mu.Lock()
	d := time.Until(l.openAt)
	l.mu.Unlock()
	time.Sleep(d)
}

// newLine serves one connection to the server at a URL.
func newLine(t *testing.T, to string) *line {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{url: "nats://" + listener.Addr().String()}
	var group sync.WaitGroup
	t.Cleanup(group.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	group.Go(func() {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		defer near.Close()
		far, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()
		group.Go(func() {
			_, _ = io.Copy(far, near) // ends with either connection
			_ = far.Close()
		})
		piece := make([]byte, 4096)
		for {
			n, err := far.Read(piece)
			if err != nil {
				return
			}
			l.wait()
			if _, err := near.Write(piece[:n]); err != nil {
				return
			}
		}
	})
	return l
}

// JetStream may take its time to acknowledge what it was sent: over a slow line, what lies in buffers
// on the way takes many seconds. The library's own bound is five, so this takes as long.
func TestUploadOverSlowLine(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes longer than the library's time-out of 5 s")
	}
	s := natstest.Run(t)
	slow := newLine(t, s.ClientURL())
	nc, err := nats.Connect(slow.url, nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	content := make([]byte, 4*chunk)
	begun := time.Now()
	held := false
	_, digest, err := client.New(nc, client.Config{}).Upload(t.Context(), client.Upload{
		Bucket: "FILES", Key: "cart", Content: bytes.NewReader(content),
		Progress: func(int64) {
			if !held {
				held = true
				slow.hold(6 * time.Second)
			}
		},
	})
	if err != nil || digest != sum(content) {
		t.Errorf("digest = %s, %v, want %s", digest, err, sum(content))
	}
	if d := time.Since(begun); d < 5*time.Second {
		t.Errorf("the line was not slow: %s", d)
	}
}
