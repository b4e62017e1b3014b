package guest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/guest"
)

// waiting bounds how long what should happen may take.
const waiting = 30 * time.Second

// vm is an init that keeps what it is told.
type vm struct {
	mu     sync.Mutex
	boots  []guest.Boot
	limits []guest.Limits
	files  map[string][]byte
	names  []string
	refuse error
}

func newVM() *vm { return &vm{files: map[string][]byte{}} }

func (v *vm) Boot(b guest.Boot) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refuse != nil {
		return v.refuse
	}
	v.boots = append(v.boots, b)
	return nil
}

func (v *vm) State() guest.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := guest.State{Booted: len(v.boots) > 0, Staged: v.names}
	if s.Booted {
		s.ID = v.boots[0].ID
	}
	return s
}

func (v *vm) Stage(name string, size int64, r io.Reader) (string, error) {
	if v.refuse != nil {
		return "", v.refuse
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.files[name] = b
	v.names = append(v.names, name)
	return guest.StagedDir + "/" + name, nil
}

func (v *vm) Configure(l guest.Limits) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.limits = append(v.limits, l)
	return v.refuse
}

// peer is a node whose link socket echoes.
type peer struct {
	exits chan guest.Exit
	err   error
	links sync.WaitGroup
}

func newPeer() *peer { return &peer{exits: make(chan guest.Exit, 8)} }

func (p *peer) Link(context.Context) (net.Conn, error) {
	if p.err != nil {
		return nil, p.err
	}
	here, there := net.Pipe()
	p.links.Go(func() {
		_, _ = io.Copy(here, here) // until the session closes there
		here.Close()
	})
	return there, nil
}

func (p *peer) Ended(e guest.Exit) { p.exits <- e }

// connected returns both ends of a session.
func connected(t *testing.T, p *peer, v *vm) (*guest.Session, *guest.Node) {
	t.Helper()
	here, there := net.Pipe()
	nodes := make(chan *guest.Node, 1)
	go func() {
		n, err := guest.Accept(there, v)
		if err != nil {
			t.Errorf("accept: %v", err)
		}
		nodes <- n
	}()
	ctx, cancel := context.WithTimeout(t.Context(), waiting)
	defer cancel()
	s, err := guest.Connect(ctx, here, p)
	if err != nil {
		t.Fatal(err)
	}
	n := <-nodes
	if n == nil {
		t.FailNow()
	}
	t.Cleanup(func() {
		s.Close()
		n.Close()
		p.links.Wait()
	})
	return s, n
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(waiting):
		t.Fatalf("%s: it does not happen", what)
	}
}

// boot is one with everything.
func boot() guest.Boot {
	return guest.Boot{
		ID: "a1", Bootstrap: bytes.Repeat([]byte("b"), guest.MaxBootstrap), Time: time.Unix(1_900_000_000, 5).UTC(),
		Entropy: make([]byte, guest.MinEntropy), Hostname: "host-1",
		Network: &guest.Network{
			Address: netip.MustParsePrefix("10.1.2.3/30"), Gateway: netip.MustParseAddr("10.1.2.1"),
			Nameservers: []netip.Addr{netip.MustParseAddr("10.1.2.1")}, MAC: "02:00:00:00:00:01", MTU: 1500,
		},
		Limits: guest.Limits{MemoryBytes: 1 << 30, CPUs: 1.5, PIDs: 9, OpenFiles: 8},
	}
}

var errRefused = errors.New("refused for a reason")
