package faults_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// TestDeploys deploys and stops workloads in a row, on all nodes at the same time, and wants nothing to be left.
func TestDeploys(t *testing.T) {
	needRoot(t)
	w := newWorld(t, nex.SandboxNone)
	row := func(rounds int) {
		var group sync.WaitGroup
		for _, n := range w.nodes {
			group.Go(func() {
				for i := range rounds {
					if err := w.deployAndStop(t, n, fmt.Sprintf("row-%s-%d", n.name, i)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
	}
	row(3) // else what is made once counts as left
	for _, n := range w.nodes {
		w.first[n] = w.steady(t, n)
	}
	began := time.Now()
	row(*deploysFlag / len(w.nodes))
	t.Logf("%d in %s", *deploysFlag, time.Since(began).Round(time.Millisecond))
	var left error
	if !nextest.Poll(func() bool { left = w.nothingLeft(t.Context(), nil); return left == nil }) {
		t.Error(left)
	}
	w.finish(t)
}

// deployAndStop deploys a service, and a function every now and then, and stops it.
func (w *world) deployAndStop(t *testing.T, n *node, name string) error {
	kind := nex.TypeNative
	if name[len(name)-1] == '5' {
		kind = nex.TypeV8
	}
	answer, err := w.client.Deploy(t.Context(), w.deployment(name, n, kind, nex.RestartNever, name))
	if err != nil {
		return fmt.Errorf("deploy %s: %w", name, err)
	}
	if err := w.stop(t.Context(), n, answer.ID, name); err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return nil
}
