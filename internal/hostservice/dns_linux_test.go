package hostservice_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// zone says which addresses a name has, each time that it is asked for.
type zone map[string]func() []netip.Addr

// fixed is a name that always leads to the same.
func fixed(addrs ...string) func() []netip.Addr {
	var all []netip.Addr
	for _, a := range addrs {
		all = append(all, netip.MustParseAddr(a))
	}
	return func() []netip.Addr { return all }
}

// serveDNS runs a DNS server until the test ends and returns a resolver that asks it.
func serveDNS(t testing.TB, z zone) *net.Resolver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = c.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for buf := make([]byte, 512); ; {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := z.answer(buf[:n]); reply != nil {
				_, _ = c.WriteTo(reply, from)
			}
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

// answer answers a query with one question for A or AAAA.
func (z zone) answer(query []byte) []byte {
	const header, typeA, typeAAAA = 12, 1, 28
	if len(query) < header {
		return nil
	}
	var labels []string
	at := header
	for at < len(query) && query[at] != 0 {
		n := int(query[at])
		labels = append(labels, string(query[at+1:at+1+n]))
		at += 1 + n
	}
	at += 1 + 4 // the root label, type and class
	kind := binary.BigEndian.Uint16(query[at-4:])
	addrs, known := z[strings.ToLower(strings.Join(labels, "."))]

	reply := append([]byte{}, query[:at]...)
	binary.BigEndian.PutUint16(reply[2:], 0x8580) // an authoritative answer
	clear(reply[6:header])
	if !known {
		reply[3] |= 3 // no such name
		return reply
	}
	count := uint16(0)
	for _, a := range addrs() {
		if a.Is4() != (kind == typeA) || kind != typeA && kind != typeAAAA {
			continue
		}
		reply = append(reply, 0xc0, header)                                               // the name of the question
		reply = append(reply, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(a.AsSlice()))) // type, class, no time to live, length
		reply = append(reply, a.AsSlice()...)
		count++
	}
	binary.BigEndian.PutUint16(reply[6:], count)
	return reply
}
