package node

import (
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/control"
	"github.com/nex-engine/nex/internal/keyfile"
	"github.com/nex-engine/nex/internal/placement"
	"github.com/nex-engine/nex/internal/workload"
)

// autostart starts the workloads of the configuration, in the background: a node whose workloads
// cannot start is of use nevertheless. Their issuer is the node's own, whose key lies in the data
// directory, so that its owner can stop them.
//
// What an essential workload needs may come later than the node, so its start is tried again until it
// succeeds.
func (n *node) autostart(ctx context.Context) {
	list := n.cfg.Settings.Autostart.Workloads
	if len(list) == 0 {
		return
	}
	issuer, err := n.ownIssuer()
	if err != nil {
		n.log.Error("autostart failed", "error", err)
		return
	}
	var group sync.WaitGroup
	n.onClose(group.Wait)
	for _, w := range list {
		group.Go(func() { n.autostartOne(ctx, w, issuer) })
	}
}

func (n *node) ownIssuer() (string, error) {
	pair, _, err := keyfile.LoadOrCreate(filepath.Join(n.cfg.DataDir, "issuer.nk"), keyfile.Account)
	if err != nil {
		return "", err
	}
	return pair.PublicKey()
}

// Bounds of the wait before an autostart is tried again; it doubles each time.
const (
	firstAutostartRetry = time.Second
	lastAutostartRetry  = 30 * time.Second
)

func (n *node) autostartOne(ctx context.Context, w config.AutostartWorkload, issuer string) {
	for wait := firstAutostartRetry; ; wait = min(2*wait, lastAutostartRetry) {
		err := n.deployOwn(ctx, w, issuer)
		if err == nil || ctx.Err() != nil {
			return
		}
		n.log.Error("autostart failed", "workload", w.Name, "namespace", w.Namespace, "error", err)
		if !w.Essential {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// deployOwn starts a workload of the configuration as a request for it would.
func (n *node) deployOwn(ctx context.Context, w config.AutostartWorkload, issuer string) error {
	if !slices.Contains(n.types(), w.Type) {
		return nex.Errorf(nex.CodeUnsupportedType, "this node runs no workloads of type %s", w.Type)
	}
	c := n.driver.Capabilities()
	err := placement.Refuse(placement.Ask{MinSandbox: w.MinSandbox, MemoryMiB: w.MemoryMiB, CPUs: w.CPUs, Egress: w.Egress},
		placement.Sandboxes{Level: c.Level, Limits: c.Limits, Network: c.Network && !c.HostNetwork, CPUs: runtime.NumCPU(), MemoryMiB: -1})
	if err != nil {
		return err
	}
	location, err := nex.ParseLocation(w.Location)
	if err != nil {
		return err
	}
	_, err = n.workloads.Deploy(ctx, workload.Spec{
		ID: nuid.Next(), Name: w.Name, Namespace: w.Namespace, Description: w.Description, Type: w.Type,
		Essential: w.Essential, Issuer: issuer, Location: location, JSDomain: w.JSDomain, Argv: w.Argv,
		Environment: control.WithDefaults(w.Type, w.Environment, n.defaultEnvironment()), Triggers: w.TriggerSubjects,
		MinSandbox: w.MinSandbox, MemoryMiB: w.MemoryMiB, CPUs: w.CPUs, Egress: w.Egress,
		MaxConcurrency: w.MaxConcurrency, CallTimeout: time.Duration(w.CallTimeoutMs) * time.Millisecond,
	})
	return err
}
