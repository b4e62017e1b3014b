package microvm_test

import (
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
)

// A machine that ends its sessions at once does not keep the node busy.
func TestSessionsEndAtOnce(t *testing.T) {
	t.Parallel()
	sessions := make(chan *guest.Node)
	done := make(chan struct{})
	v := &standin{met: func(n *guest.Node) {
		select {
		case sessions <- n:
		case <-done:
		}
	}}
	first := make(chan *guest.Node, 1)
	go func() { first <- <-sessions }()
	d := newStandin(t, v, microvm.Config{})
	i, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1", Bootstrap: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { microvmtest.Destroy(t, i) })
	t.Cleanup(func() { close(done) })
	n := <-first
	begin := time.Now()
	for range 15 {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		select {
		case n = <-sessions:
		case <-time.After(microvmtest.Patience):
			t.Fatal("there is no other session")
		}
	}
	// 4 ms, and always a quarter more.
	if took := time.Since(begin); took < 400*time.Millisecond {
		t.Errorf("15 sessions began within %v", took)
	}
}
