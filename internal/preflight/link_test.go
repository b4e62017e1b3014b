package preflight_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/preflight"
)

// link is a way to a server that takes its time, each way.
type link struct {
	url    string
	delay  time.Duration
	silent atomic.Bool // whatever arrives from now on is lost

	ctx   context.Context
	group sync.WaitGroup
}

// linkTo is a link to a server at a URL, until the test ends.
func linkTo(t *testing.T, url string, delay time.Duration) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{url: "nats://" + listener.Addr().String(), delay: delay}
	var cancel context.CancelFunc
	l.ctx, cancel = context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		l.group.Wait()
	})
	l.group.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			l.group.Go(func() { l.join(near, strings.TrimPrefix(url, "nats://")) })
		}
	})
	return l
}

func (l *link) join(near net.Conn, address string) {
	far, err := net.Dial("tcp", address)
	if err != nil {
		_ = near.Close()
		return
	}
	stop := context.AfterFunc(l.ctx, func() { _, _ = near.Close(), far.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { l.carry(near, far) })
	both.Go(func() { l.carry(far, near) })
	both.Wait()
}

type parcel struct {
	due  time.Time
	data []byte
}

// carry takes what one end says to the other, until one of them is closed, and then closes both.
func (l *link) carry(from, to net.Conn) {
	parcels := make(chan parcel, 1024)
	var arrivals sync.WaitGroup
	arrivals.Go(func() {
		defer func() { _ = to.Close() }()
		for p := range parcels {
			timer := time.NewTimer(time.Until(p.due))
			select {
			case <-timer.C:
			case <-l.ctx.Done():
				timer.Stop()
			}
			if _, err := to.Write(p.data); err != nil {
				_ = from.Close()
			}
		}
	})
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !l.silent.Load() {
			parcels <- parcel{time.Now().Add(l.delay), append([]byte(nil), buffer[:n]...)}
		}
		if err != nil {
			break // an end is closed
		}
	}
	close(parcels)
	arrivals.Wait()
}

// The way to the server is gone a few times, however many permissions there are: a slow one does not make any of them
// look missing.
func TestNATSSlowLink(t *testing.T) {
	t.Parallel()
	const roundTrip = 600 * time.Millisecond
	publish, services := append(append([]string{}, neededPublish...), hostPublish...), config.Default().HostServices.Services
	s := natstest.Run(t, allowing(without(publish, "$KV.>"), without(neededSubscribe, "$NEX.STOP.*.*")))
	slow := linkTo(t, s.ClientURL(), roundTrip/2)
	check := connectTo(slow.url)
	check.Services = &services
	got := missing(check.Check(t.Context(), node))
	if len(got) != 2 || got[0].Path != "subscribe $NEX.STOP.*.*" || got[1].Path != "publish $KV.>" {
		t.Errorf("missing are %+v", got)
	}
	g, _ := preflight.HostServices(t.Context(), servedBy(slow.url))
	if got := missing(g); len(got) != 1 || got[0].Path != "publish $KV.>" {
		t.Errorf("missing for host services are %+v", got)
	}
}

// A server that falls silent once it has let the connection in is one thing that is missing, and not all.
func TestNATSFallsSilent(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, allowing([]string{">"}, []string{">"}))
	l := linkTo(t, s.ClientURL(), 0)
	settings := settingsFor(l.url)
	settings.Timeout = 2 * time.Second
	check := connectWith(settings)
	connect := check.Connect
	check.Connect = func(ctx context.Context) (*nats.Conn, error) {
		nc, err := connect(ctx)
		l.silent.Store(true)
		return nc, err
	}
	g := check.Check(t.Context(), node)
	finding{"nats", "gave no answer within 2s: check the NATS server, and the way to it, or give it longer with --timeout", false}.check(t, g)
	if len(g.Items) != 1 {
		t.Errorf("items = %+v, want the server alone", g.Items)
	}
}
