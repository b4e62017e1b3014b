package node

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/keyfile"
	"github.com/nex-engine/nex/internal/placement"
	"github.com/nex-engine/nex/internal/workload"
)

// autostart starts the workloads of the configuration, in the background: a node whose workloads
// cannot start is of use nevertheless. Their issuer is the node's own, whose key lies in the data
// directory, so that its owner can stop them. Those that an earlier process of the node has started go on, but
// for those that the configuration has no longer, or has otherwise now.
//
// What a workload needs may come later than the node, so the start of one that is to run again after it has
// failed is tried until it succeeds.
func (n *node) autostart(ctx context.Context) {
	list, before := n.cfg.Settings.Autostart.Workloads, n.workloads.Configured()
	if len(list) == 0 && len(before) == 0 {
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
		i := slices.IndexFunc(before, func(s workload.Spec) bool { return s.Name == w.Name && s.Namespace == w.Namespace })
		if i < 0 {
			group.Go(func() { n.autostartOne(ctx, w, issuer) })
			continue
		}
		old := before[i]
		before = slices.Delete(before, i, i+1)
		group.Go(func() {
			if now, err := n.configured(w, issuer); err == nil && sameBut(now, old) && n.workloads.GoesOn(ctx, old.ID) {
				return
			}
			n.endConfigured(ctx, old)
			n.autostartOne(ctx, w, issuer)
		})
	}
	for _, old := range before {
		group.Go(func() { n.endConfigured(ctx, old) })
	}
}

// sameBut compares specs but for their ids.
func sameBut(a, b workload.Spec) bool {
	a.ID, b.ID = "", ""
	x, errX := json.Marshal(a) // as b was kept
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// endConfigured stops a workload that is no longer what the configuration says.
func (n *node) endConfigured(ctx context.Context, s workload.Spec) {
	n.log.Info("ending what an earlier process has started of the configuration", "workload", s.Name, "namespace", s.Namespace)
	err := n.workloads.Stop(ctx, s.Namespace, s.ID, s.Name, s.Issuer, workload.DefaultGrace)
	if err != nil && nex.CodeOf(err) != nex.CodeWorkloadNotFound && ctx.Err() == nil {
		n.log.Warn("workload was not stopped", "workload", s.Name, "namespace", s.Namespace, "error", err)
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
		if w.Restart.Resolve(w.Type, w.Essential) == nex.RestartNever {
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
	spec, err := n.configured(w, issuer)
	if err == nil {
		err = n.refuse(spec)
	}
	if err != nil {
		return err
	}
	_, err = n.workloads.Deploy(ctx, spec)
	return err
}

// refuse says why this node cannot give a workload what it asks of its sandbox.
func (n *node) refuse(s workload.Spec) error {
	c := n.driver.Capabilities()
	return placement.Refuse(placement.Ask{MinSandbox: s.MinSandbox, MemoryMiB: s.MemoryMiB, CPUs: s.CPUs, Egress: s.Egress},
		placement.Sandboxes{Level: c.Level, Limits: c.Limits, Network: c.Network && !c.HostNetwork, CPUs: runtime.NumCPU(), MemoryMiB: -1})
}

// configured is the spec of a workload of the configuration.
func (n *node) configured(w config.AutostartWorkload, issuer string) (workload.Spec, error) {
	location, err := nex.ParseLocation(w.Location)
	return workload.Spec{
		ID: nuid.Next(), Name: w.Name, Namespace: w.Namespace, Description: w.Description, Type: w.Type, Configured: true,
		Essential: w.Essential, Restart: w.Restart, Issuer: issuer, Location: location, JSDomain: w.JSDomain, Argv: w.Argv,
		Environment: w.Environment, Triggers: w.TriggerSubjects,
		MinSandbox: w.MinSandbox, MemoryMiB: w.MemoryMiB, CPUs: w.CPUs, Egress: w.Egress,
		MaxConcurrency: w.MaxConcurrency, CallTimeout: time.Duration(w.CallTimeoutMs) * time.Millisecond,
	}, err
}
