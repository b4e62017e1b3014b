//go:build linux

package network_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// median and the longest of durations.
func summary(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("median %v, longest %v", all[len(all)/2], all[len(all)-1])
}

func TestManyAtOnce(t *testing.T) {
	newWorld(t)
	m := openManager(t, network.Config{})
	empty := snapshot(t)
	const count = 100
	for range 3 { // more than there are addresses
		endpoints := make([]*network.Endpoint, count)
		attached, closed := make([]time.Duration, count), make([]time.Duration, count)
		each := func(f func(i int) error) {
			var wg sync.WaitGroup
			errs := make([]error, count)
			for i := range count {
				wg.Go(func() { errs[i] = f(i) })
			}
			wg.Wait()
			must(t, errs...)
		}
		start := time.Now()
		each(func(i int) (err error) {
			begun := time.Now()
			endpoints[i], err = m.Attach(t.Context(), fmt.Sprintf("s%d", i), nex.Egress{})
			attached[i] = time.Since(begun)
			return err
		})
		t.Logf("%d attached in %v: %s", count, time.Since(start), summary(attached))
		addrs := map[netip.Addr]bool{}
		for _, ep := range endpoints {
			addrs[ep.Addr()] = true
		}
		if len(addrs) != count {
			t.Errorf("%d sandboxes have %d addresses", count, len(addrs))
		}
		wantReached(t, endpoints[0].Namespace(), publicAddr+":80", nodeAddr)
		wantReached(t, endpoints[count-1].Namespace(), publicAddr+":80", nodeAddr)
		start = time.Now()
		each(func(i int) error {
			begun := time.Now()
			defer func() { closed[i] = time.Since(begun) }()
			return endpoints[i].Close()
		})
		t.Logf("%d closed in %v: %s", count, time.Since(start), summary(closed))
		if got := snapshot(t); got != empty {
			t.Fatalf("after all are closed there is:\n%s\nbefore there was:\n%s", got, empty)
		}
	}
}

func TestAddressesRunOut(t *testing.T) {
	newWorld(t)
	m := openManager(t, network.Config{Subnet: netip.MustParsePrefix("10.77.0.0/29")})
	var last *network.Endpoint
	for i := range 5 {
		last = attach(t, m, fmt.Sprintf("s%d", i), nex.Egress{})
	}
	if _, err := m.Attach(t.Context(), "more", nex.Egress{}); err == nil || !strings.Contains(err.Error(), "cni.subnet") {
		t.Errorf("sixth sandbox: %v", err)
	}
	addr := last.Addr()
	must(t, last.Close())
	if ep := attach(t, m, "more", nex.Egress{}); ep.Addr() != addr {
		t.Errorf("address is %s, want %s", ep.Addr(), addr)
	}
}

func TestAttachRefuses(t *testing.T) {
	m := openManager(t, network.Config{})
	ep := attach(t, m, "a", nex.Egress{})
	for _, id := range []string{"a", "", "a/b", "..", "a-b", strings.Repeat("a", 33)} {
		if _, err := m.Attach(t.Context(), id, nex.Egress{}); err == nil {
			t.Errorf("id %q is attached", id)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Attach(ctx, "b", nex.Egress{}); !errors.Is(err, context.Canceled) {
		t.Errorf("attach after the end of its context: %v", err)
	}
	// Something is in the way: what was made before that is gone.
	must(t, ep.Close())
	before := snapshot(t)
	must(t, os.WriteFile("/run/netns/next1-c", nil, 0o600))
	if _, err := m.Attach(t.Context(), "c", nex.Egress{}); err == nil {
		t.Error("a name that is taken is used")
	}
	must(t, os.Remove("/run/netns/next1-c"))
	if got := snapshot(t); got != before {
		t.Errorf("a failed attach leaves:\n%s\nbefore there was:\n%s", got, before)
	}
	attach(t, m, "c", nex.Egress{})
}

func TestOpenRefuses(t *testing.T) {
	newWorld(t)
	before := snapshot(t)
	for name, c := range map[string]struct {
		cfg  network.Config
		want string
	}{
		"no name":         {network.Config{}, "name"},
		"long name":       {network.Config{Name: "abcdefg"}, "name"},
		"hyphen":          {network.Config{Name: "a-b"}, "name"},
		"small subnet":    {network.Config{Name: "t1", Subnet: netip.MustParsePrefix("10.0.0.0/30")}, "cni.subnet"},
		"IPv6 subnet":     {network.Config{Name: "t1", Subnet: netip.MustParsePrefix("fd00::/64")}, "cni.subnet"},
		"an uplink's":     {network.Config{Name: "t1", Subnet: netip.MustParsePrefix("10.50.0.0/25")}, "10.50.0.0/24"},
		"interface name":  {network.Config{Name: "t1", InterfaceName: "a/b"}, "cni.interface_name"},
		"malformed rules": {network.Config{Name: "t1", Egress: nex.Egress{Deny: []string{"a b"}}}, "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Logger = slog.New(slog.DiscardHandler)
			m, err := network.Open(t.Context(), c.cfg)
			if err == nil {
				_ = m.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, network.ErrRights) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
	if got := snapshot(t); got != before {
		t.Errorf("after all there is:\n%s\nbefore there was:\n%s", got, before)
	}
}

// Sandboxes come, change and go while others do.
func TestConcurrentUse(t *testing.T) {
	w := newWorld(t)
	w.dns.set("a.test", publicAddr)
	m := openManager(t, network.Config{})
	local := serveTCP(t, "127.0.0.1:0")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				id := fmt.Sprintf("s%dx%d", i, j)
				ep, err := m.Attach(t.Context(), id, nex.Egress{Allow: []string{"a.test"}})
				if err != nil {
					t.Error(err)
					return
				}
				var using sync.WaitGroup
				using.Go(func() {
					if addrs, _ := lookup(t, m, ep, "a.test"); len(addrs) != 1 {
						t.Errorf("%s: a.test is %v", id, addrs)
					}
				})
				using.Go(func() {
					if err := ep.SetEgress(t.Context(), nex.Egress{Allow: []string{"*.test:80"}}); err != nil {
						t.Error(err)
					}
				})
				using.Go(func() {
					if err := m.Expose(uint16(4000+i), local); err != nil {
						t.Error(err)
					}
				})
				using.Wait()
				wantLookup(t, m, ep, "a.test", publicAddr)
				wantReached(t, ep.Namespace(), publicAddr+":80", nodeAddr)
				wantReached(t, ep.Namespace(), hostPort(m.Gateway(), fmt.Sprint(4000+i)), ep.Addr().String())
				if err := ep.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkAttach(b *testing.B) {
	newWorld(b)
	m := openManager(b, network.Config{})
	var attached, closed []time.Duration
	for b.Loop() {
		start := time.Now()
		ep, err := m.Attach(b.Context(), "a", nex.Egress{})
		must(b, err)
		attached = append(attached, time.Since(start))
		start = time.Now()
		must(b, ep.Close())
		closed = append(closed, time.Since(start))
	}
	b.Logf("attach: %s; close: %s", summary(attached), summary(closed))
}

// BenchmarkExposed echoes a message of 128 bytes, as a service's calls of NATS are, and then a megabyte.
func BenchmarkExposed(b *testing.B) {
	newWorld(b)
	m := openManager(b, network.Config{})
	local := serveTCP(b, "127.0.0.1:0")
	must(b, m.Expose(4222, local))
	ep := attach(b, m, "a", nex.Egress{})
	for _, way := range []struct{ name, path, addr string }{
		{"loopback", "", local.String()}, {"sandbox", ep.Namespace(), hostPort(m.Gateway(), "4222")},
	} {
		for _, size := range []int{128, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", way.name, size), func(b *testing.B) {
				c, err := open(b, way.path, "tcp4", way.addr)
				must(b, err)
				defer func() { _ = c.Close() }()
				lines := bufio.NewReader(c)
				_, err = lines.ReadString('\n')
				must(b, err)
				msg, back := make([]byte, size), make([]byte, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					var writing sync.WaitGroup
					writing.Go(func() { _, _ = c.Write(msg) })
					if _, err := io.ReadFull(lines, back); err != nil {
						b.Fatal(err)
					}
					writing.Wait()
				}
			})
		}
	}
}
