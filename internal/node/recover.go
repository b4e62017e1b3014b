package node

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/state"
)

// linkSecret is what the node's secret is turned into for the links to agents, and for nothing else.
const linkSecret = "nex agent link"

// agentSecret is what the keys of agents are made of. It is the same after each start.
func (n *node) agentSecret() ([]byte, error) {
	seed, err := n.identity.Seed()
	if err != nil {
		return nil, fmt.Errorf("read the node's key: %w", err)
	}
	return hkdf.Key(sha256.New, seed, nil, linkSecret, sha256.Size)
}

// openState opens the records of the workloads, and reads them.
func (n *node) openState() error {
	seed, err := n.identity.Seed()
	if err != nil {
		return fmt.Errorf("read the node's key: %w", err)
	}
	if n.state, err = state.Open(state.Config{Dir: state.Dir(n.cfg.DataDir), Key: state.Key(seed), Logger: n.log}); err != nil {
		return err
	}
	records, damaged, err := n.state.Load()
	if err != nil {
		return err
	}
	for _, d := range damaged {
		n.log.Error("the record of a workload is damaged, and the workload is lost; see nex node state ls", "id", d.ID, "file", d.File, "error", d.Reason)
	}
	n.records = records
	return nil
}

// ran reports whether an earlier process of the node has run workloads in sandboxes of a level and has not
// stopped them.
func (n *node) ran(level nex.SandboxLevel) bool {
	return slices.ContainsFunc(n.records, func(r state.Record) bool { return r.Sandbox == level && r.AgentID != "" })
}

// returnTime is how long agents have the machine for themselves to come back. It takes a fraction of that, unless
// one of them hangs.
const returnTime = time.Second

// recover takes over what an earlier process of the node has left running, removes what of it nobody needs any
// more, and lets its workloads go on. It returns how many agents it has adopted.
func (n *node) recover(ctx context.Context, host *linkhost.Host) (adopted int) {
	ctx = context.WithoutCancel(ctx) // what was begun here half would lose workloads
	adopted = n.workloads.Restore(ctx, n.records)
	returning, cancel := context.WithTimeout(ctx, returnTime)
	n.workloads.AwaitReturn(returning) // what follows takes processors too, and nobody misses it
	cancel()
	if n.workloads.Waiting() {
		n.sweepLeft(ctx, host) // before what has been there is started again
		n.workloads.Resume()
	} else {
		var sweeping sync.WaitGroup
		sweeping.Go(func() { n.sweepLeft(ctx, host) })
		n.onClose(sweeping.Wait)
	}
	if len(n.records) > 0 {
		n.log.Info("took over the workloads of an earlier process", "workloads", len(n.records), "running", adopted)
	}
	n.records = nil
	return adopted
}

// sweepLeft removes what an earlier process of the node has left and was not taken over.
func (n *node) sweepLeft(ctx context.Context, host *linkhost.Host) {
	if n.images != nil {
		n.images.Evict()
	}
	n.sweepOther(ctx)
	n.sweep(ctx, n.driver)
	host.Sweep()
}

// leave reports whether the workloads outlive the node: because that is wanted, or because the node could not
// start, which is no reason to end what an earlier process has left running; that it was told to end is one.
func (n *node) leave() bool { return n.cfg.KeepWorkloads || !n.ready && !n.interrupted }

// orLeave ends a part of the node, or leaves to the next process what workloads need of it.
func (n *node) orLeave(end, leave func()) {
	if n.leave() {
		leave()
		return
	}
	end()
}
