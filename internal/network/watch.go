//go:build linux

package network

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// watchRetry is after how long the kernel is asked to tell again, when it has stopped.
const watchRetry = 500 * time.Millisecond

// events is where the kernel tells what happens, until it is closed.
type events interface {
	Receive() ([]netlink.Message, error)
	Close() error
}

// watcher waits for events that matter.
type watcher struct {
	open    func() (events, error)
	matters func(netlink.Message) bool
	log     *slog.Logger
	changed chan struct{} // has room for one: after it all is looked at anew
	done    chan struct{}
	runs    sync.WaitGroup

	mu      sync.Mutex
	current events
}

// watch says on a channel that something that matters has happened. The caller must stop the watcher.
func watch(open func() (events, error), matters func(netlink.Message) bool, log *slog.Logger) (*watcher, error) {
	first, err := open()
	if err != nil {
		return nil, err
	}
	w := &watcher{open: open, matters: matters, log: log, changed: make(chan struct{}, 1), done: make(chan struct{}), current: first}
	w.runs.Go(func() { w.run(first) })
	return w, nil
}

// stop returns when nothing runs any more.
func (w *watcher) stop() {
	w.mu.Lock()
	close(w.done)
	_ = w.current.Close() // ends its reader
	w.mu.Unlock()
	w.runs.Wait()
}

func (w *watcher) run(from events) {
	for {
		err := w.read(from)
		select {
		case <-w.done:
			return
		default:
		}
		// When too much happens at once the kernel drops events, and says so by an error, too.
		w.log.Debug("the kernel does not tell any more what changes, and is asked again", "error", err)
		_ = from.Close()
		if from = w.reopen(); from == nil {
			return
		}
		w.tell()
	}
}

func (w *watcher) read(from events) error {
	for {
		messages, err := from.Receive()
		if err != nil {
			return err
		}
		for _, m := range messages {
			if w.matters(m) {
				w.tell()
			}
		}
	}
}

func (w *watcher) tell() {
	select {
	case w.changed <- struct{}{}:
	default: // it is known already
	}
}

// reopen returns nil if the watcher has been stopped.
func (w *watcher) reopen() events {
	for failed := false; ; failed = true {
		select {
		case <-w.done:
			return nil
		case <-time.After(watchRetry):
		}
		next, err := w.open()
		if err != nil {
			if !failed {
				w.log.Warn("cannot follow the routes of the machine", "error", err)
			}
			continue
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		select {
		case <-w.done:
			_ = next.Close()
			return nil
		default:
		}
		w.current = next
		return next
	}
}

// openEvents asks the kernel to tell about routes and forwarding of IPv4.
func openEvents() (events, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("follow routes: %w", err)
	}
	for _, group := range []uint32{unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_NETCONF} {
		if err := c.JoinGroup(group); err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("follow routes: %w", err)
		}
	}
	return c, nil
}

// Of the messages about routes and settings: their lengths, and attributes of the latter.
const (
	sizeOfRoute    = 12
	sizeOfConf     = 4
	confInterface  = 1
	confForwarding = 2
)

// mayNeedForwarding reports whether m is about a new route elsewhere than into subnet, or about forwarding
// being turned on or off for the whole machine, or off for an interface.
func mayNeedForwarding(m netlink.Message, subnet netip.Prefix) bool {
	switch m.Header.Type {
	case unix.RTM_NEWROUTE:
		if len(m.Data) < sizeOfRoute || m.Data[0] != unix.AF_INET || m.Data[4] == unix.RT_TABLE_LOCAL {
			return false
		}
		to, ok := netip.AddrFromSlice(attributes(m.Data[sizeOfRoute:])[unix.RTA_DST])
		return !ok || !subnet.Contains(to)
	case unix.RTM_NEWNETCONF:
		if len(m.Data) < sizeOfConf || m.Data[0] != unix.AF_INET {
			return false
		}
		attrs := attributes(m.Data[sizeOfConf:])
		index, forwarding := attrs[confInterface], attrs[confForwarding]
		const all = -1
		wasCreated := len(attrs) > 2 // then all settings are told: each sandbox has an interface that is
		return len(index) == 4 && int32(binary.NativeEndian.Uint32(index)) == all ||
			len(forwarding) == 4 && binary.NativeEndian.Uint32(forwarding) == 0 && !wasCreated
	}
	return false
}

// attributes are those that come before the first one that is malformed.
func attributes(b []byte) map[uint16][]byte {
	all := map[uint16][]byte{}
	d, err := netlink.NewAttributeDecoder(b)
	for err == nil && d.Next() {
		all[d.Type()] = d.Bytes()
	}
	return all
}
