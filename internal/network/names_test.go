//go:build linux

package network_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// nameTable is a name server with what it knows.
type nameTable struct {
	mu    sync.Mutex
	addrs map[string][]string // by name, in lower case, without a dot at its end
	alias map[string]string
	asked map[string]int
	cut   map[string]bool // answers over UDP are cut short
}

func newNameTable() *nameTable {
	return &nameTable{addrs: map[string][]string{}, alias: map[string]string{}, asked: map[string]int{}, cut: map[string]bool{}}
}

func (n *nameTable) set(name string, addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs[name] = addrs
}

func (n *nameTable) timesAsked(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[name]
}

func (n *nameTable) answer(msg []byte, udp bool) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	name := strings.TrimSuffix(strings.ToLower(q.Name.String()), ".")
	n.asked[name]++
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: h.ID, Response: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
	owner := q.Name
	if to, ok := n.alias[name]; ok {
		target := dnsmessage.MustNewName(to + ".")
		reply.Answers = append(reply.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: owner, Class: dnsmessage.ClassINET, TTL: 5}, Body: &dnsmessage.CNAMEResource{CNAME: target},
		})
		owner, name = target, to
	}
	addrs, ok := n.addrs[name]
	switch {
	case !ok:
		reply.RCode = dnsmessage.RCodeNameError
	case udp && n.cut[name]:
		reply.Truncated = true
	case q.Type == dnsmessage.TypeA:
		for _, a := range addrs {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: owner, Class: dnsmessage.ClassINET, TTL: 5},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
			})
		}
	}
	b, err := reply.Pack()
	if err != nil {
		return nil
	}
	return b
}

func (n *nameTable) serve(t testing.TB, addr string) {
	t.Helper()
	udp, err := net.ListenPacket("udp4", addr)
	must(t, err)
	tcp, err := net.Listen("tcp4", addr)
	must(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		buf := make([]byte, 2048)
		for {
			size, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = udp.WriteTo(n.answer(buf[:size], true), from)
		}
	})
	running.Go(func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			if msg, err := receiveFramed(c); err == nil {
				sendFramed(c, n.answer(msg, false))
			}
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _, _ = udp.Close(), tcp.Close(); running.Wait() })
}

func receiveFramed(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, msg)
	return msg, err
}

func sendFramed(w io.Writer, msg []byte) {
	_, _ = w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
}

// resolve asks the name server at addr from a namespace.
func resolve(t testing.TB, path, proto, server, name string, kind dnsmessage.Type) dnsmessage.Message {
	t.Helper()
	m, err := ask(t, path, proto, server, name, kind)
	must(t, err)
	return m
}

// ask is resolve where there may be no answer.
func ask(t testing.TB, path, proto, server, name string, kind dnsmessage.Type) (dnsmessage.Message, error) {
	t.Helper()
	c, err := open(t, path, proto, server)
	must(t, err)
	defer func() { _ = c.Close() }()
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 77, RecursionDesired: true}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET},
	}}
	b, err := q.Pack()
	must(t, err)
	var reply []byte
	if proto == "tcp4" {
		sendFramed(c, b)
		reply, err = receiveFramed(c)
	} else {
		_, err = c.Write(b)
		must(t, err)
		reply = make([]byte, 2048)
		var n int
		n, err = c.Read(reply)
		reply = reply[:n]
	}
	if err != nil {
		return dnsmessage.Message{}, err
	}
	var m dnsmessage.Message
	must(t, m.Unpack(reply))
	if m.ID != 77 || !m.Response {
		t.Errorf("answer to %s has header %+v", name, m.Header)
	}
	return m, nil
}

// lookup resolves a name at the gateway to its addresses.
func lookup(t testing.TB, m *network.Manager, ep *network.Endpoint, name string) ([]string, dnsmessage.RCode) {
	t.Helper()
	reply := resolve(t, ep.Namespace(), "udp4", net.JoinHostPort(m.Gateway().String(), "53"), name, dnsmessage.TypeA)
	var addrs []string
	for _, r := range reply.Answers {
		if a, ok := r.Body.(*dnsmessage.AResource); ok {
			addrs = append(addrs, netip.AddrFrom4(a.A).String())
		}
	}
	return addrs, reply.RCode
}

func wantLookup(t testing.TB, m *network.Manager, ep *network.Endpoint, name, want string) {
	t.Helper()
	if got, code := lookup(t, m, ep, name); len(got) != 1 || got[0] != want || code != 0 {
		t.Errorf("%s is %v (%v), want %s", name, got, code, want)
	}
}

func wantUnknown(t testing.TB, m *network.Manager, ep *network.Endpoint, name string) {
	t.Helper()
	if got, code := lookup(t, m, ep, name); len(got) > 0 || code != dnsmessage.RCodeNameError {
		t.Errorf("%s is %v (%v), want it unknown", name, got, code)
	}
}

func TestNamesAllowed(t *testing.T) {
	w := newWorld(t)
	m := openManager(t, network.Config{})
	w.dns.set("api.example.com", publicAddr)
	w.dns.set("deep.below.example.org", otherAddr)
	w.dns.set("other.test", otherAddr)
	ep := attach(t, m, "a", nex.Egress{Allow: []string{"API.example.com:80", "*.example.org"}})
	neighbour := attach(t, m, "b", nex.Egress{Allow: []string{"api.example.com:80"}})
	ns := ep.Namespace()

	wantRefused(t, ns, publicAddr+":80") // not asked for yet
	wantLookup(t, m, ep, "api.Example.com", publicAddr)
	wantReached(t, ns, publicAddr+":80", nodeAddr)
	wantRefused(t, ns, publicAddr+":443")
	wantRefused(t, neighbour.Namespace(), publicAddr+":80")

	wantRefused(t, ns, otherAddr+":443")
	wantLookup(t, m, ep, "deep.below.example.org", otherAddr)
	wantReached(t, ns, otherAddr+":443", nodeAddr)

	for _, name := range []string{"other.test", "example.org", "api.example.com.other.test"} {
		wantUnknown(t, m, ep, name)
		if n := w.dns.timesAsked(name); n != 0 {
			t.Errorf("the name server was asked for %s", name)
		}
	}
	wantUnknown(t, m, ep, "missing.example.org")
	if w.dns.timesAsked("missing.example.org") != 1 {
		t.Error("the name server was not asked for a name that is allowed")
	}

	must(t, ep.SetEgress(t.Context(), nex.Egress{Allow: []string{"api.example.com"}}))
	wantRefused(t, ns, publicAddr+":80") // forgotten
	wantLookup(t, m, ep, "api.example.com", publicAddr)
	wantReached(t, ns, publicAddr+":443", nodeAddr)
	wantRefused(t, ns, otherAddr+":443")
}

// Whoever owns a name decides where it leads, but not into the node's network.
func TestNamesRebound(t *testing.T) {
	w := newWorld(t)
	m := openManager(t, network.Config{Egress: nex.Egress{Allow: []string{"*", privateTwo}}})
	ep := attach(t, m, "a", nex.Egress{Allow: []string{"evil.test", privateTwo}})
	ns := ep.Namespace()
	for _, addr := range []string{privateOne, metadata, carrier, nodeAddr, m.Gateway().String(), "127.0.0.1", publicAddr} {
		w.dns.set("evil.test", addr)
		wantLookup(t, m, ep, "evil.test", addr)
		if addr == publicAddr {
			wantReached(t, ns, addr+":80", nodeAddr)
		} else if addr != "127.0.0.1" {
			wantRefused(t, ns, addr+":80")
		}
	}
	w.dns.set("evil.test", privateTwo)
	wantLookup(t, m, ep, "evil.test", privateTwo)
	wantReached(t, ns, privateTwo+":80", nodeAddr) // by its address
}

func TestNamesDenied(t *testing.T) {
	w := newWorld(t)
	m := openManager(t, network.Config{Egress: nex.Egress{Deny: []string{"bad.test"}}})
	w.dns.set("bad.test", publicAddr)
	w.dns.set("mail.test", otherAddr)
	w.dns.set("good.test", publicAddr)
	w.dns.mu.Lock()
	w.dns.alias["alias.test"] = "bad.test"
	w.dns.alias["fine.test"] = "good.test"
	w.dns.mu.Unlock()
	ep := attach(t, m, "a", nex.Egress{Deny: []string{"mail.test:80"}})
	ns := ep.Namespace()
	wantUnknown(t, m, ep, "bad.test")
	wantUnknown(t, m, ep, "alias.test")
	wantLookup(t, m, ep, "fine.test", publicAddr)
	wantReached(t, ns, publicAddr+":80", nodeAddr)

	wantReached(t, ns, otherAddr+":80", nodeAddr)
	wantLookup(t, m, ep, "mail.test", otherAddr)
	wantRefused(t, ns, otherAddr+":80")
	wantReached(t, ns, otherAddr+":443", nodeAddr)
}

// A list of addresses keeps what it is about in: names would carry data past it.
func TestNamesBesideAddresses(t *testing.T) {
	w := newWorld(t)
	m := openManager(t, network.Config{Egress: nex.Egress{Allow: []string{"*", privateOne}}})
	w.dns.set("db.test", privateOne)
	w.dns.set("data.evil.test", publicAddr)
	ep := attach(t, m, "a", nex.Egress{Allow: []string{privateOne}})
	for _, name := range []string{"db.test", "data.evil.test"} {
		wantUnknown(t, m, ep, name)
		if n := w.dns.timesAsked(name); n != 0 {
			t.Errorf("the name server was asked for %s", name)
		}
	}
	must(t, ep.SetEgress(t.Context(), nex.Egress{Allow: []string{"db.test", privateOne}}))
	wantLookup(t, m, ep, "db.test", privateOne)
	wantReached(t, ep.Namespace(), privateOne+":80", nodeAddr)
	wantUnknown(t, m, ep, "data.evil.test")
}

// However often a sandbox asks, and for what, the log has one line about it, without what it chose to write.
func TestNamesThatFail(t *testing.T) {
	var log bytes.Buffer
	m := openManager(t, network.Config{
		Nameservers: []netip.Addr{netip.MustParseAddr("127.0.0.9")}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	a, b := attach(t, m, "a", nex.Egress{}), attach(t, m, "b", nex.Egress{})
	for _, ep := range []*network.Endpoint{a, a, a, b} {
		name := strings.Repeat("very.long.", 10) + "\n\x1b[2Jname.test"
		if _, code := lookup(t, m, ep, name); code != dnsmessage.RCodeServerFailure {
			t.Errorf("without a name server the answer is %v", code)
		}
	}
	must(t, a.Close(), b.Close(), m.Close())
	for _, id := range []string{"a", "b"} {
		if n := strings.Count(log.String(), "sandbox="+id+" "); n != 1 {
			t.Errorf("%d lines are about sandbox %s:\n%s", n, id, &log)
		}
	}
	if strings.Contains(log.String(), "name.test") || strings.Contains(log.String(), "\x1b") {
		t.Errorf("the log has a whole name:\n%q", &log)
	}
}

func TestNamesOverTCP(t *testing.T) {
	w := newWorld(t)
	m := openManager(t, network.Config{})
	ep := attach(t, m, "a", nex.Egress{Allow: []string{"long.test"}})
	w.dns.set("long.test", publicAddr)
	w.dns.mu.Lock()
	w.dns.cut["long.test"] = true
	w.dns.mu.Unlock()
	server := net.JoinHostPort(m.Gateway().String(), "53")
	if reply := resolve(t, ep.Namespace(), "udp4", server, "long.test", dnsmessage.TypeA); !reply.Truncated || len(reply.Answers) > 0 {
		t.Errorf("answer over UDP is %+v, want it cut short", reply)
	}
	if reply := resolve(t, ep.Namespace(), "tcp4", server, "long.test", dnsmessage.TypeA); len(reply.Answers) != 1 {
		t.Errorf("answer over TCP is %+v", reply)
	}
	wantReached(t, ep.Namespace(), publicAddr+":80", nodeAddr)
	asked := w.dns.timesAsked("long.test")
	if reply := resolve(t, ep.Namespace(), "udp4", server, "long.test", dnsmessage.TypeAAAA); reply.RCode != 0 || len(reply.Answers) > 0 {
		t.Errorf("IPv6 addresses are %+v, want none", reply)
	}
	if w.dns.timesAsked("long.test") != asked {
		t.Error("the name server was asked for IPv6 addresses")
	}
	// The proxy's own port is for sandboxes alone.
	if c, err := net.Dial("tcp4", server); err == nil {
		_ = c.Close()
		t.Error("the node itself reaches the gateway's port")
	}
}
