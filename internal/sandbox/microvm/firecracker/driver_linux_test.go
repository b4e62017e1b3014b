package firecracker_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

func TestConformance(t *testing.T) { sandboxtest.Run(t, rig.Suite()) }

func TestNetwork(t *testing.T) { rig.CheckNetwork(t) }

func TestMachinesDiffer(t *testing.T) { rig.CheckMachinesDiffer(t) }

func TestConnectedDiffer(t *testing.T) { rig.CheckConnectedDiffer(t) }

// bounds are the rate limiters of a machine's devices, as Firecracker says.
type bounds struct {
	Drives   []fcapi.Drive            `json:"drives"`
	Networks []fcapi.NetworkInterface `json:"network-interfaces"`
}

// askBounds asks the process of a jailed machine.
func askBounds(t *testing.T, dir, id string) bounds {
	t.Helper()
	root := filepath.Join(dir, id, "vmm", "firecracker", id, "root")
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return vmm.Dial(ctx, root, "api.sock")
		},
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/vm/config", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var b bounds
	if err := json.NewDecoder(answer.Body).Decode(&b); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	return b
}

// The rates of a sandbox are those of its machine's devices, whether it boots or goes on from a snapshot, and after
// they were changed.
func TestRates(t *testing.T) {
	t.Parallel()
	if !nextest.Sandboxed() {
		t.Skip("only root can give a sandbox a network")
	}
	dir := filepath.Join(t.TempDir(), "state")
	d, _ := rig.Isolated(t, "fcr", microvm.Config{Dir: dir})
	if have := d.Capabilities().Limits; !have.Bandwidth || !have.IOPS {
		t.Errorf("rates do not hold: %+v", have)
	}
	settings := func(bytes, operations int64) sandbox.Settings {
		return sandbox.Settings{Limits: sandbox.Limits{
			Bandwidth: &sandbox.Rate{Size: bytes, Refill: time.Second}, IOPS: &sandbox.Rate{Size: operations, Refill: time.Second},
		}}
	}
	limiter := func(bytes, operations, millis int64) *fcapi.RateLimiter {
		return &fcapi.RateLimiter{
			Bandwidth:  &fcapi.TokenBucket{Size: bytes, RefillMillis: millis},
			Operations: &fcapi.TokenBucket{Size: operations, RefillMillis: millis},
		}
	}
	for id, network := range map[string]bool{"alone": false, "connected": true} {
		i, said := d.Begin(t, sandbox.Spec{ID: id, Network: network, Settings: settings(10<<20, 5000)}, plan.Do(plan.Hang))
		microvmtest.WantSaid(t, said, "pid")
		for _, is := range []struct{ bytes, operations int64 }{{10 << 20, 5000}, {20 << 20, 7000}} {
			if err := i.Configure(t.Context(), settings(is.bytes, is.operations)); err != nil {
				t.Fatal(err)
			}
			b := askBounds(t, dir, id)
			if len(b.Drives) != 2 {
				t.Errorf("%s: the disks are %+v", id, b.Drives)
			}
			for _, drive := range b.Drives { // two share them
				if want := limiter(is.bytes, is.operations, 2000); !reflect.DeepEqual(drive.Rates, want) {
					t.Errorf("%s: the rates of disk %s are %+v, want %+v", id, drive.ID, drive.Rates, want)
				}
			}
			if network != (len(b.Networks) == 1) {
				t.Errorf("%s: the networks are %+v", id, b.Networks)
			}
			for _, n := range b.Networks {
				want := limiter(is.bytes, is.operations, 1000)
				if !reflect.DeepEqual(n.Received, want) || !reflect.DeepEqual(n.Sent, want) {
					t.Errorf("%s: the rates of network %s are %+v and %+v, want %+v", id, n.ID, n.Received, n.Sent, want)
				}
			}
		}
	}
}
