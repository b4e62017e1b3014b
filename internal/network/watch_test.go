//go:build linux

package network_test

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"

	nl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/network"
)

// feed is a source of events that a test fills.
type feed struct {
	messages chan []nl.Message
	errs     chan error
	closed   func()
	done     chan struct{}
}

func newFeed() *feed {
	f := &feed{messages: make(chan []nl.Message), errs: make(chan error), done: make(chan struct{})}
	f.closed = sync.OnceFunc(func() { close(f.done) })
	return f
}

func (f *feed) Receive() ([]nl.Message, error) {
	select {
	case m := <-f.messages:
		return m, nil
	case err := <-f.errs:
		return nil, err
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error {
	f.closed()
	return nil
}

// When the kernel drops events, or stops telling, it is asked again, and what was missed counts as a change.
func TestWatchGoesOn(t *testing.T) {
	feeds := make(chan *feed, 3)
	opened := 0
	open := func() (network.Events, error) {
		if opened++; opened == 3 {
			return nil, errors.New("not now")
		}
		f := newFeed()
		feeds <- f
		return f, nil
	}
	matters := func(m nl.Message) bool { return m.Header.Type == unix.RTM_NEWROUTE }
	w, err := network.Watch(open, matters, slog.New(slog.DiscardHandler))
	must(t, err)
	defer w.Stop()
	route, other := nl.Message{Header: nl.Header{Type: unix.RTM_NEWROUTE}}, nl.Message{}
	for range 3 {
		f := <-feeds
		f.messages <- []nl.Message{other, route}
		<-w.Changed()
		f.messages <- []nl.Message{other}
		f.errs <- unix.ENOBUFS
		<-w.Changed() // after it is open again
		<-f.done
		select {
		case <-w.Changed():
			t.Error("what does not matter is told")
		default:
		}
	}
}

// The kernel tells of new routes, and of forwarding, for the whole machine and for an interface.
func TestKernelTells(t *testing.T) {
	path := newNamespace(t, "quiet")
	within(t, path, func() {
		w, err := network.Watch(network.OpenEvents, func(m nl.Message) bool {
			return network.MayNeedForwarding(m, netip.MustParsePrefix("10.1.0.0/16"))
		}, slog.New(slog.DiscardHandler))
		must(t, err)
		defer w.Stop()
		lo, err := netlink.LinkByName("lo")
		must(t, err, netlink.LinkSetUp(lo))
		must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: cidr("10.2.0.0/16").IPNet}))
		<-w.Changed()
		forwarding := func(where, to string) {
			must(t, os.WriteFile("/proc/sys/net/ipv4/"+where, []byte(to), 0))
		}
		forwarding("ip_forward", "1")
		<-w.Changed()
		forwarding("conf/lo/forwarding", "0")
		<-w.Changed()
		forwarding("ip_forward", "0")
		<-w.Changed()
	})
}

// Whatever comes as an event is taken as one or not, and nothing more.
func FuzzEvents(f *testing.F) {
	attr := func(kind uint16, value []byte) []byte {
		b, err := nl.MarshalAttributes([]nl.Attribute{{Type: kind, Data: value}})
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	to := func(addr ...byte) []byte {
		return append([]byte{unix.AF_INET, 32, 0, 0, unix.RT_TABLE_MAIN, 0, 0, 0, 0, 0, 0, 0}, attr(unix.RTA_DST, addr)...)
	}
	conf := func(kind uint16, value int32) []byte {
		return append([]byte{unix.AF_INET, 0, 0, 0}, attr(kind, binary.NativeEndian.AppendUint32(nil, uint32(value)))...)
	}
	for _, c := range []struct {
		kind uint16
		data []byte
		want bool
	}{
		{unix.RTM_NEWROUTE, to(10, 2, 0, 0), true},
		{unix.RTM_NEWROUTE, to(10, 1, 0, 7), false},
		{unix.RTM_NEWROUTE, to()[:12], true}, // the default route
		{unix.RTM_DELROUTE, to(10, 2, 0, 0), false},
		{unix.RTM_NEWNETCONF, conf(1, -1), true},
		{unix.RTM_NEWNETCONF, conf(1, 7), false},
		{unix.RTM_NEWNETCONF, conf(2, 0), true},
		{unix.RTM_NEWNETCONF, conf(2, 1), false},
		{unix.RTM_NEWNETCONF, slices.Concat(conf(1, 7), attr(2, make([]byte, 4)), attr(3, make([]byte, 4))), false}, // a new interface
		{unix.RTM_NEWNETCONF, nil, false},
		{unix.RTM_NEWROUTE, []byte{unix.AF_INET}, false},
	} {
		if got := network.MayNeedForwarding(message(c.kind, c.data), netip.MustParsePrefix("10.1.0.0/16")); got != c.want {
			f.Errorf("%d %x matters: %v, want %v", c.kind, c.data, got, c.want)
		}
		f.Add(c.kind, c.data)
	}
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		matters := network.MayNeedForwarding(message(kind, data), netip.MustParsePrefix("10.1.0.0/16"))
		if matters && (len(data) == 0 || data[0] != unix.AF_INET) {
			t.Errorf("%d %x matters", kind, data)
		}
	})
}

func message(kind uint16, data []byte) nl.Message {
	return nl.Message{Header: nl.Header{Type: nl.HeaderType(kind)}, Data: data}
}
