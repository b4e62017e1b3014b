package guest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/nex-engine/nex/internal/guest"
)

func TestBootAndConfigure(t *testing.T) {
	t.Parallel()
	v := newVM()
	s, _ := connected(t, newPeer(), v)
	if state, err := s.State(t.Context()); err != nil || state.Booted {
		t.Errorf("state = %+v, %v", state, err)
	}
	if err := s.Boot(t.Context(), boot()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(v.boots, []guest.Boot{boot()}) {
		t.Errorf("boots = %+v", v.boots)
	}
	l := guest.Limits{CPUs: 2}
	if err := s.Configure(t.Context(), l); err != nil || !reflect.DeepEqual(v.limits, []guest.Limits{l}) {
		t.Errorf("limits = %+v, %v", v.limits, err)
	}
	if state, err := s.State(t.Context()); err != nil || !state.Booted || state.ID != "a1" {
		t.Errorf("state = %+v, %v", state, err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	v := newVM()
	v.refuse = errRefused
	s, _ := connected(t, newPeer(), v)
	if err := s.Boot(t.Context(), boot()); err == nil || !strings.Contains(err.Error(), errRefused.Error()) {
		t.Errorf("boot: %v", err)
	}
	if err := s.Configure(t.Context(), guest.Limits{}); err == nil || !strings.Contains(err.Error(), errRefused.Error()) {
		t.Errorf("configure: %v", err)
	}
	// The init reads none of it.
	_, err := s.Stage(t.Context(), "endless", 1<<40, rand.Reader)
	if err == nil || !strings.Contains(err.Error(), errRefused.Error()) {
		t.Errorf("stage: %v", err)
	}
}

func TestMalformedIsNotSent(t *testing.T) {
	t.Parallel()
	v := newVM()
	s, _ := connected(t, newPeer(), v)
	for name, change := range map[string]func(*guest.Boot){
		"id": func(b *guest.Boot) { b.ID = "a/b" }, "no bootstrap": func(b *guest.Boot) { b.Bootstrap = nil },
		"bootstrap":  func(b *guest.Boot) { b.Bootstrap = make([]byte, guest.MaxBootstrap+1) },
		"entropy":    func(b *guest.Boot) { b.Entropy = b.Entropy[1:] },
		"hostname":   func(b *guest.Boot) { b.Hostname = "a b" },
		"address":    func(b *guest.Boot) { b.Network.Address = netip.Prefix{} },
		"gateway":    func(b *guest.Boot) { b.Network.Gateway = netip.MustParseAddr("::1") },
		"nameserver": func(b *guest.Boot) { b.Network.Nameservers = make([]netip.Addr, 1) },
		"MAC":        func(b *guest.Boot) { b.Network.MAC = "x" }, "MTU": func(b *guest.Boot) { b.Network.MTU = -1 },
		"memory": func(b *guest.Boot) { b.Limits.MemoryBytes = -1 }, "files": func(b *guest.Boot) { b.Limits.OpenFiles = -1 },
	} {
		b := boot()
		change(&b)
		if err := s.Boot(t.Context(), b); err == nil {
			t.Errorf("%s: booted", name)
		}
	}
	for _, name := range []string{"", ".a", "a/b", "..", "a b", strings.Repeat("a", guest.MaxName+1)} {
		if _, err := s.Stage(t.Context(), name, 1, strings.NewReader("a")); err == nil {
			t.Errorf("%q was staged", name)
		}
	}
	if err := s.Configure(t.Context(), guest.Limits{CPUs: -1}); err == nil {
		t.Error("configured less than nothing")
	}
	if len(v.boots) > 0 || len(v.limits) > 0 {
		t.Errorf("boots = %+v, limits = %+v", v.boots, v.limits)
	}
}

func TestStage(t *testing.T) {
	t.Parallel()
	v := newVM()
	s, _ := connected(t, newPeer(), v)
	content := make([]byte, 2<<20+3)
	_, _ = rand.Read(content)
	path, err := s.Stage(t.Context(), "artifact", int64(len(content)), bytes.NewReader(content))
	if err != nil || path != guest.StagedDir+"/artifact" || !bytes.Equal(v.files["artifact"], content) {
		t.Fatalf("path = %q, %v, %d bytes", path, err, len(v.files["artifact"]))
	}
	if _, err := s.Stage(t.Context(), "more", 3, strings.NewReader("abcdef")); err != nil || string(v.files["more"]) != "abc" {
		t.Errorf("more than its size: %v, %q", err, v.files["more"])
	}
	if _, err := s.Stage(t.Context(), "empty", 0, strings.NewReader("")); err != nil {
		t.Errorf("empty: %v", err)
	}
	if _, err := s.Stage(t.Context(), "short", 10, strings.NewReader("abc")); err == nil || !strings.Contains(err.Error(), "7 bytes shorter") {
		t.Errorf("short: %v", err)
	}
	if _, err := s.Stage(t.Context(), "failing", 10, iotest.ErrReader(errRefused)); !errors.Is(err, errRefused) {
		t.Errorf("failing: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write([]byte("a")) // read, or not
		cancel()
		w.Close()
	}()
	if _, err := s.Stage(ctx, "cancelled", 10, r); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	state, err := s.State(t.Context())
	if err != nil || !reflect.DeepEqual(state.Staged, []string{"artifact", "more", "empty"}) {
		t.Errorf("state = %+v, %v", state, err)
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	p := newPeer()
	_, n := connected(t, p, newVM())
	agent, conn := net.Pipe()
	done := make(chan struct{})
	go func() {
		n.Link(conn)
		close(done)
	}()
	sent := make([]byte, 300_000)
	_, _ = rand.Read(sent)
	go func() { _, _ = agent.Write(sent) }() // what comes back tells
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(agent, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the link gives back something else, %v", err)
	}
	agent.Close()
	await(t, "end of the link", done)
}

func TestLinkWithoutNode(t *testing.T) {
	t.Parallel()
	for _, away := range []bool{false, true} {
		p := newPeer()
		p.err = errRefused
		s, n := connected(t, p, newVM())
		if away {
			s.Close()
			await(t, "end of the session", n.Done())
		}
		agent, conn := net.Pipe()
		go n.Link(conn)
		if _, err := agent.Read(make([]byte, 1)); err == nil {
			t.Errorf("away %v: the agent's connection is not closed", away)
		}
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	p := newPeer()
	s, n := connected(t, p, newVM())
	e := guest.Exit{Code: -1, Signal: "SIGKILL", OOM: true}
	for range 2 {
		if err := n.Ended(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-p.exits; got != e || len(p.exits) > 0 {
		t.Errorf("exit = %+v, and %d more", got, len(p.exits))
	}
	s.Close()
	<-s.Done()
	await(t, "end of the session", n.Done())
	if err := n.Ended(t.Context(), e); err == nil {
		t.Error("told nobody")
	}
	if _, err := s.State(t.Context()); !errors.Is(err, guest.ErrSessionOver) {
		t.Errorf("state: %v", err)
	}
}

// port is a serial port: what is written to it stays, whoever comes and goes at the other end.
type port struct {
	net.Conn
}

// Close leaves the port open, and wakes who reads.
func (p port) Close() error { return p.SetDeadline(time.Unix(1, 0)) }

// An init that has not seen the node go finds out by what the next one says.
func TestNodeComesBackUnnoticed(t *testing.T) {
	t.Parallel()
	for name, left := range map[string][]byte{
		"between frames": nil, "in a header": {0, 0, 0, 1},
		"in data": append([]byte{0, 0, 0, 1, 0, 0, 0, 1}, append(binary.BigEndian.AppendUint32(nil, 32<<10), "abc"...)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := net.Pipe()
			t.Cleanup(func() { here.Close() })
			v := newVM()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for range 2 {
					_ = there.SetDeadline(time.Time{}) // a pipe takes it
					n, err := guest.Accept(port{Conn: there}, v)
					if err != nil {
						return
					}
					<-n.Done()
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), waiting)
			defer cancel()
			// The first node ends so that only it knows.
			s, err := guest.Connect(ctx, port{Conn: here}, newPeer())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Boot(ctx, boot()); err != nil {
				t.Fatal(err)
			}
			s.Close()
			_ = here.SetDeadline(time.Time{}) // a pipe takes it
			if _, err := here.Write(left); err != nil {
				t.Fatal(err)
			}
			s, err = guest.Connect(ctx, here, newPeer())
			if err != nil {
				t.Fatal(err)
			}
			if state, err := s.State(ctx); err != nil || !state.Booted {
				t.Errorf("state = %+v, %v", state, err)
			}
			s.Close()
			await(t, "end of the init's part", ended)
		})
	}
}

func TestConnectEnds(t *testing.T) {
	t.Parallel()
	silent := func(t *testing.T) net.Conn {
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, there) }() // until here is closed
		return here
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := guest.Connect(ctx, silent(t), newPeer()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a VM that says nothing: %v", err)
	}
	here, there := net.Pipe()
	there.Close()
	if _, err := guest.Connect(t.Context(), here, newPeer()); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a VM that has ended: %v", err)
	}
	here, there = net.Pipe()
	go answerAs(there, guest.Version+1)
	if _, err := guest.Connect(t.Context(), here, newPeer()); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("an init of another version: %v", err)
	}
}

// answerAs answers a node as an init of a version.
func answerAs(conn net.Conn, version byte) {
	hello := make([]byte, len(guest.Padding)+len(guest.MagicNode)+16+1)
	_, _ = io.ReadFull(conn, hello) // then the answer is no answer
	nonce := hello[len(hello)-17 : len(hello)-1]
	_, _ = conn.Write(append(append(append([]byte("rubbish"), guest.MagicInit[:]...), nonce...), version)) // as above
}

// Of yamux.
const (
	typeData, typeWindow = 0, 1
	flagSYN, flagACK     = 1, 2
)

// frame is the header of one.
func frame(kind, flags byte, stream, length uint32) []byte {
	b := []byte{0, kind, 0, flags}
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, stream), length)
}

// A VM that stalls holds nobody whose time is over.
func TestStalls(t *testing.T) {
	t.Parallel()
	for name, stall := range map[string]func(net.Conn){
		"reads no more": func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) },
		"in the middle of a frame": func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 12))       // the stream is open
			go func() { _, _ = io.Copy(io.Discard, c) }() // ends with here
			_, _ = c.Write(frame(typeData, flagACK, 1, 100))
			_, _ = c.Write([]byte{0}) // when that is read, so is the frame
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := net.Pipe()
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				answerAs(there, guest.Version)
				stall(there)
				cancel()
			}()
			s, err := guest.Connect(t.Context(), here, newPeer())
			if err != nil {
				t.Fatal(err)
			}
			returned := make(chan struct{})
			go func() {
				defer close(returned)
				if _, err := s.State(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("state: %v", err)
				}
			}()
			await(t, "return of State", returned)
			await(t, "end of the session", s.Done())
			s.Close()
		})
	}
}

// A VM has so many links and no more.
func TestLinksAreBounded(t *testing.T) {
	t.Parallel()
	s, n := connected(t, newPeer(), newVM())
	for i := range guest.MaxLinks + 5 {
		agent, conn := net.Pipe()
		t.Cleanup(func() { agent.Close() })
		go n.Link(conn)                 // ends with the session
		_, _ = agent.Write([]byte("x")) // what comes back tells
		if _, err := io.ReadFull(agent, make([]byte, 1)); (err == nil) != (i < guest.MaxLinks) {
			t.Errorf("link %d: %v", i, err)
		}
	}
	if _, err := s.State(t.Context()); err != nil {
		t.Errorf("state: %v", err)
	}
}

// What a VM sends and nobody reads is bounded.
func TestWindowIsBounded(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	go func() {
		answerAs(there, guest.Version)
		_, _ = there.Write(frame(typeWindow, flagSYN, 2, 0))
		_, _ = io.ReadFull(there, make([]byte, 12))       // the node has taken the stream
		go func() { _, _ = io.Copy(io.Discard, there) }() // ends with here
		_, _ = there.Write(frame(typeData, 0, 2, guest.WindowSize+1))
	}()
	s, err := guest.Connect(t.Context(), here, newPeer())
	if err != nil {
		t.Fatal(err)
	}
	await(t, "end of the session", s.Done())
	s.Close()
}

// What a VM must not do ends its session.
func TestHostileVM(t *testing.T) {
	t.Parallel()
	ping := []byte{0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9}
	for name, attack := range map[string]func(net.Conn){
		"ping":    func(c net.Conn) { _, _ = c.Write(ping) },
		"rubbish": func(c net.Conn) { _, _ = c.Write([]byte("this is no frame")) },
		"streams": func(c net.Conn) {
			mux, err := yamux.Server(c, nil)
			for err == nil {
				_, err = mux.OpenStream()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there := net.Pipe()
			go func() {
				answerAs(there, guest.Version)
				go func() { _, _ = io.Copy(io.Discard, there) }() // ends with here
				attack(there)
			}()
			s, err := guest.Connect(t.Context(), here, newPeer())
			if err != nil {
				t.Fatal(err)
			}
			await(t, "end of the session", s.Done())
			s.Close()
		})
	}
}
