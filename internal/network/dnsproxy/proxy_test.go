package dnsproxy_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/nex-engine/nex/internal/network/dnsproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var home = netip.MustParseAddr("127.0.0.1")

// sandbox may ask for what ends in ".test", and remembers what it learns.
type sandbox struct {
	mu      sync.Mutex
	learned []string
	failed  []string
	fail    error
}

func (s *sandbox) Resolves(name string) bool { return strings.HasSuffix(name, ".test") }
func (s *sandbox) Denies(name string) bool   { return name == "denied.example" }

func (s *sandbox) Learn(_ context.Context, name string, addrs []netip.Addr, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learned = append(s.learned, fmt.Sprintf("%s %v %v", name, addrs, ttl))
	return s.fail
}

func (s *sandbox) Failed(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, fmt.Sprintf("%s: %v", name, err))
}

// has checks what was learned.
func (s *sandbox) has(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.learned, want) {
		t.Errorf("learned %q, want %q", s.learned, want)
	}
}

// refuse makes learning fail.
func (s *sandbox) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = errors.New("no room")
}

// upstream is a name server over UDP that answers by a function, with as many messages as that returns.
func upstream(t *testing.T, answer func(dnsmessage.Message) []dnsmessage.Message) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(home, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(buf[:n]); err != nil {
				t.Errorf("the name server got %x: %v", buf[:n], err)
				return
			}
			for _, reply := range answer(m) {
				if b, err := reply.Pack(); err == nil {
					_, _ = c.WriteToUDPAddrPort(b, from)
				}
			}
		}
	})
	t.Cleanup(func() { _ = c.Close(); running.Wait() })
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// reply answers m with addresses.
func reply(m dnsmessage.Message, ttl uint32, addrs ...string) dnsmessage.Message {
	r := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true}, Questions: m.Questions}
	for _, a := range addrs {
		r.Answers = append(r.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: ttl},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
		})
	}
	return r
}

func listen(t *testing.T, client dnsproxy.Client, servers ...netip.AddrPort) *dnsproxy.Proxy {
	t.Helper()
	p, err := dnsproxy.Listen(home, dnsproxy.Config{
		Client: func(a netip.Addr) dnsproxy.Client {
			if a != home {
				return nil
			}
			return client
		},
		Servers: func() ([]netip.AddrPort, error) { return servers, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func ask(name string, kind dnsmessage.Type) dnsmessage.Message {
	return dnsmessage.Message{Header: dnsmessage.Header{ID: 99, RecursionDesired: true}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET},
	}}
}

// client is a connection to the proxy.
type client struct {
	t *testing.T
	net.Conn
}

func dial(t *testing.T, p *dnsproxy.Proxy, network string) client {
	t.Helper()
	to := p.UDP()
	if network == "tcp" {
		to = p.TCP()
	}
	c, err := net.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return client{t, c}
}

func (c client) send(m dnsmessage.Message) {
	c.t.Helper()
	b, err := m.Pack()
	if err == nil {
		if c.LocalAddr().Network() == "tcp" {
			b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
		}
		_, err = c.Write(b)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c client) receive() dnsmessage.Message {
	c.t.Helper()
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.LocalAddr().Network() == "tcp" {
		buf, n = buf[2:], n-2
	}
	var m dnsmessage.Message
	if err := m.Unpack(buf[:n]); err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c client) resolve(name string) dnsmessage.Message {
	c.t.Helper()
	c.send(ask(name, dnsmessage.TypeA))
	return c.receive()
}

func TestLearnsBeforeItAnswers(t *testing.T) {
	var s sandbox
	server := upstream(t, func(m dnsmessage.Message) []dnsmessage.Message {
		if len(m.Additionals) > 0 || !m.RecursionDesired || m.ID == 99 {
			t.Errorf("the name server is asked %+v", m)
		}
		return []dnsmessage.Message{reply(m, 7200, "8.8.8.8", "10.0.0.1")}
	})
	c := dial(t, listen(t, &s, server), "udp")
	if m := c.resolve("a.Test"); m.ID != 99 || len(m.Answers) != 2 {
		t.Errorf("answer is %+v", m)
	}
	s.has(t, "a.test [8.8.8.8 10.0.0.1] 2h0m0s")
	s.refuse()
	if m := c.resolve("b.test"); m.RCode != dnsmessage.RCodeServerFailure || len(m.Answers) > 0 {
		t.Errorf("answer to what could not be learned is %+v", m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if want := []string{"b.test: no room"}; !slices.Equal(s.failed, want) {
		t.Errorf("failures are %q, want %q", s.failed, want)
	}
}

func TestTimeIsClamped(t *testing.T) {
	var s sandbox
	var ttl atomic.Uint32
	server := upstream(t, func(m dnsmessage.Message) []dnsmessage.Message {
		return []dnsmessage.Message{reply(m, ttl.Load(), "8.8.8.8")}
	})
	c := dial(t, listen(t, &s, server), "udp")
	c.resolve("a.test")
	ttl.Store(1 << 30)
	c.resolve("a.test")
	s.has(t, "a.test [8.8.8.8] 5m0s", "a.test [8.8.8.8] 24h0m0s")
}

func TestRefuses(t *testing.T) {
	server := upstream(t, func(m dnsmessage.Message) []dnsmessage.Message {
		t.Errorf("the name server is asked %+v", m.Questions)
		return nil
	})
	c := dial(t, listen(t, &sandbox{}, server), "udp")
	change := func(f func(*dnsmessage.Message)) dnsmessage.Message {
		m := ask("a.test", dnsmessage.TypeA)
		f(&m)
		return m
	}
	for name, q := range map[string]struct {
		m    dnsmessage.Message
		want dnsmessage.RCode
	}{
		"another name":  {ask("a.example", dnsmessage.TypeA), dnsmessage.RCodeNameError},
		"a transfer":    {ask("a.test", dnsmessage.TypeAXFR), dnsmessage.RCodeRefused},
		"all":           {ask("a.test", dnsmessage.TypeALL), dnsmessage.RCodeRefused},
		"IPv6":          {ask("a.test", dnsmessage.TypeAAAA), dnsmessage.RCodeSuccess},
		"another class": {change(func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }), dnsmessage.RCodeRefused},
		"an update":     {change(func(m *dnsmessage.Message) { m.OpCode = 5 }), dnsmessage.RCodeNotImplemented},
		"two questions": {change(func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) }), dnsmessage.RCodeFormatError},
		"no question":   {change(func(m *dnsmessage.Message) { m.Questions = nil }), dnsmessage.RCodeFormatError},
	} {
		c.send(q.m)
		if m := c.receive(); m.RCode != q.want || len(m.Answers) > 0 || m.ID != 99 {
			t.Errorf("%s is answered %+v, want %v", name, m, q.want)
		}
	}
}

// How long an answer may be is passed on within bounds, and nothing else that a client adds.
func TestOptions(t *testing.T) {
	asked := make(chan int, 1)
	server := upstream(t, func(m dnsmessage.Message) []dnsmessage.Message {
		size := 0
		for _, r := range m.Additionals {
			opt, ok := r.Body.(*dnsmessage.OPTResource)
			if !ok || len(opt.Options) > 0 || r.Header.DNSSECAllowed() {
				t.Errorf("the name server is sent %+v", r)
			}
			size = int(r.Header.Class)
		}
		asked <- size
		return []dnsmessage.Message{reply(m, 60, "8.8.8.8")}
	})
	c := dial(t, listen(t, &sandbox{}, server), "udp")
	for size, want := range map[int]int{0: 512, 512: 512, 1000: 1000, 4096: 1232} {
		q := ask("a.test", dnsmessage.TypeA)
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(size, dnsmessage.RCodeSuccess, true); err != nil {
			t.Fatal(err)
		}
		q.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: 10, Data: []byte("secret")}}}}}
		c.send(q)
		if m := c.receive(); len(m.Answers) != 1 {
			t.Errorf("answer is %+v", m)
		}
		if got := <-asked; got != want {
			t.Errorf("with room for %d the name server is told %d, want %d", size, got, want)
		}
	}
}

// An alias of a denied name is as denied as that.
func TestAlias(t *testing.T) {
	server := upstream(t, func(m dnsmessage.Message) []dnsmessage.Message {
		r := reply(m, 60, "8.8.8.8")
		target := "fine.example."
		if m.Questions[0].Name.String() == "bad.test." {
			target = "Denied.example."
		}
		r.Answers = append([]dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target)},
		}}, r.Answers...)
		return []dnsmessage.Message{r}
	})
	var s sandbox
	c := dial(t, listen(t, &s, server), "udp")
	if m := c.resolve("bad.test"); m.RCode != dnsmessage.RCodeNameError || len(m.Answers) > 0 {
		t.Errorf("answer is %+v", m)
	}
	if m := c.resolve("good.test"); len(m.Answers) != 2 {
		t.Errorf("answer is %+v", m)
	}
	s.has(t, "good.test [8.8.8.8] 5m0s")
}

// What does not fit the question is passed over, and a server that does not answer, too.
func TestForgedAnswers(t *testing.T) {
	server := upstream(t, func(m dnsmessage.Message) []dnsmessage.Message {
		id, name, question := reply(m, 60, "6.6.6.6"), reply(m, 60, "6.6.6.6"), m
		id.ID++
		name.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("b.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
		return []dnsmessage.Message{id, name, question, reply(m, 60, "8.8.8.8")}
	})
	closed := upstream(t, func(dnsmessage.Message) []dnsmessage.Message { return nil })
	var s sandbox
	c := dial(t, listen(t, &s, closed, server), "udp")
	if m := c.resolve("a.test"); len(m.Answers) != 1 {
		t.Errorf("answer is %+v", m)
	}
	s.has(t, "a.test [8.8.8.8] 5m0s")
	c = dial(t, listen(t, &s), "udp")
	if m := c.resolve("a.test"); m.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("without a name server the answer is %+v", m)
	}
}

func TestQueriesBounded(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{}, 2*dnsproxy.MaxQueries)
	server := upstream(t, func(m dnsmessage.Message) []dnsmessage.Message {
		var answers []dnsmessage.Message
		select {
		case <-release:
			answers = append(answers, reply(m, 60, "8.8.8.8"))
		default:
		}
		arrived <- struct{}{} // once that is decided
		return answers
	})
	var s sandbox
	c := dial(t, listen(t, &s, server), "udp")
	for range dnsproxy.MaxQueries {
		c.send(ask("a.test", dnsmessage.TypeA))
	}
	for range dnsproxy.MaxQueries {
		<-arrived
	}
	if m := c.resolve("a.test"); m.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("one question too many is answered %+v", m)
	}
	close(release)
	for range dnsproxy.MaxQueries { // they fail, for want of an answer
		if m := c.receive(); m.RCode != dnsmessage.RCodeServerFailure {
			t.Errorf("answer is %+v", m)
		}
	}
	if m := c.resolve("a.test"); len(m.Answers) != 1 {
		t.Errorf("after that the answer is %+v", m)
	}
}

// All together have no more asked than the bound; the others wait for their turn.
func TestAskedBounded(t *testing.T) {
	const bound = 2
	release, arrived := make(chan struct{}), make(chan struct{}, 100)
	server, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(home, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			arrived <- struct{}{}
			running.Go(func() {
				<-release
				_ = c.Close() // which is a failure, and as good an end as any
			})
		}
	})
	t.Cleanup(func() { _ = server.Close(); running.Wait() })
	var s sandbox
	p, err := dnsproxy.ListenBounded(home, dnsproxy.Config{
		Client: func(netip.Addr) dnsproxy.Client { return &s },
		Servers: func() ([]netip.AddrPort, error) {
			return []netip.AddrPort{server.Addr().(*net.TCPAddr).AddrPort()}, nil
		},
	}, bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	var clients []client
	for range bound + 3 {
		c := dial(t, p, "tcp")
		c.send(ask("a.test", dnsmessage.TypeA))
		clients = append(clients, c)
	}
	for range bound {
		<-arrived
	}
	select {
	case <-arrived:
		t.Error("one question too many is asked")
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	for _, c := range clients {
		if m := c.receive(); m.RCode != dnsmessage.RCodeServerFailure {
			t.Errorf("answer is %+v", m)
		}
	}
	for range 3 {
		<-arrived
	}
}

func TestConnectionsBounded(t *testing.T) {
	p := listen(t, &sandbox{})
	var conns []client
	for range dnsproxy.MaxConns {
		c := dial(t, p, "tcp")
		if m := c.resolve("a.example"); m.RCode != dnsmessage.RCodeNameError {
			t.Errorf("answer is %+v", m)
		}
		conns = append(conns, c)
	}
	if _, err := dial(t, p, "tcp").Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one connection too many: %v, want it closed", err)
	}
	// A message that is too long, or none, ends a connection; another one then has its place.
	if _, err := conns[0].Write([]byte{0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	if _, err := conns[0].Read(make([]byte, 1)); err == nil {
		t.Error("a message that is too long is answered")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := conns[1].Read(make([]byte, 1)); err == nil {
		t.Error("a connection is there after close")
	}
}

// Who is no sandbox gets no answer.
func TestStrangers(t *testing.T) {
	p, err := dnsproxy.Listen(home, dnsproxy.Config{
		Client:  func(netip.Addr) dnsproxy.Client { return nil },
		Servers: func() ([]netip.AddrPort, error) { return nil, errors.New("nobody is to be asked") },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	udp := dial(t, p, "udp")
	udp.send(ask("a.test", dnsmessage.TypeA))
	if _, err := dial(t, p, "tcp").Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a connection of a stranger: %v, want it closed", err)
	}
	_ = udp.SetDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := udp.Read(make([]byte, 100)); err == nil {
		t.Errorf("a stranger got %d bytes", n)
	}
}

// Whatever a sandbox or a name server sends, what the proxy makes of it is sound.
func FuzzDecode(f *testing.F) {
	pack := func(m dnsmessage.Message) []byte {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	q := ask("a.test", dnsmessage.TypeA)
	q.ID = 7
	f.Add(pack(q), pack(reply(q, 60, "8.8.8.8")))
	f.Add(pack(ask("a.test", dnsmessage.TypeALL)), []byte{})
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{0})
	f.Fuzz(func(t *testing.T, ask, answer []byte) {
		code, refusal, up, err := dnsproxy.Decode(ask, answer)
		if refusal == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(refusal); err != nil || !m.Response || m.RCode != code || len(m.Answers) > 0 {
			t.Errorf("refusal %x: %+v, %v", refusal, m, err)
		}
		if code != dnsmessage.RCodeSuccess {
			return
		}
		if up == nil {
			t.Fatalf("no question for the name server: %v", err)
		}
		if err := m.Unpack(up); err != nil || m.Response || len(m.Questions) != 1 || m.ID != 7 {
			t.Errorf("question %x: %+v, %v", up, m, err)
		}
	})
}
