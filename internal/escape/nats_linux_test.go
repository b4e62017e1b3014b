package escape_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// natsAccounts is about the control account, by way of the server of the workload account, which workloads
// do reach.
func natsAccounts(t *testing.T, r *rig, _ *world) {
	r.deploy(t, r.intruder("nats"))
	url := "nats://" + r.gateway(t) + ":" + portOf(t, r.up.Ready.NATSURL)
	stop := r.chatter(t)
	r.attack(t, "nats", "control", url).wantRefused(t)
	seed, err := os.ReadFile(r.up.Ready.ControlNKey)
	must(t, err)
	onHost(t, "control", r.up.Ready.ControlURL, strings.TrimSpace(string(seed))).wantEscaped(t)
	stop()
}

// chatter makes requests in the control account until it is told to stop, for others to hear.
func (r *rig) chatter(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			if _, err := r.client.Info(ctx, r.node.NodeID); err != nil && ctx.Err() == nil {
				t.Errorf("info: %v", err)
			}
			timer := time.NewTimer(20 * time.Millisecond)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			timer.Stop()
		}
	})
	return sync.OnceFunc(func() { cancel(); group.Wait() })
}
