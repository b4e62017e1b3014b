package node

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/nats-io/nuid"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/keyfile"
	"github.com/nex-engine/nex/internal/workload"
)

// autostart starts the workloads of the configuration, in the background: a node whose workloads
// cannot start is of use nevertheless. Their issuer is the node's own, whose key lies in the data
// directory, so that its owner can stop them.
func (n *node) autostart() {
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
		group.Go(func() { n.autostartOne(w, issuer) })
	}
}

func (n *node) ownIssuer() (string, error) {
	pair, _, err := keyfile.LoadOrCreate(filepath.Join(n.cfg.DataDir, "issuer.nk"), keyfile.Account)
	if err != nil {
		return "", err
	}
	return pair.PublicKey()
}

func (n *node) autostartOne(w config.AutostartWorkload, issuer string) {
	location, err := nex.ParseLocation(w.Location)
	if err == nil {
		_, err = n.workloads.Deploy(context.Background(), workload.Spec{
			ID: nuid.Next(), Name: w.Name, Namespace: w.Namespace, Description: w.Description, Type: nex.WorkloadType(w.Type),
			Essential: w.Essential, Issuer: issuer, Location: location, JSDomain: w.JSDomain,
			Argv: w.Argv, Environment: w.Environment, Triggers: w.TriggerSubjects,
		})
	}
	if err != nil {
		n.log.Error("autostart failed", "workload", w.Name, "namespace", w.Namespace, "error", err)
	}
}
