package microvmtest

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// CheckMachinesDiffer checks that machines which go on from the same snapshot draw other random numbers.
func (r *Rig) CheckMachinesDiffer(t *testing.T) {
	t.Parallel()
	d := r.Driver(t, microvm.Config{})
	tokens := map[string]bool{}
	for _, id := range []string{"one", "two", "three"} {
		dir, l := Listen(t)
		_, said := d.Begin(t, sandbox.Spec{ID: id, LinkDir: dir}, Obey)
		tokens[Accept(t, l, said).Token] = true
	}
	if len(tokens) != 3 {
		t.Errorf("three machines have drawn %v", tokens)
	}
}

// CheckConnectedDiffer checks that machines with a network which go on from the same snapshot, at the same time, are as
// different as any two: nothing that can be seen of them is the same, and each has its own network and its bounds.
func (r *Rig) CheckConnectedDiffer(t *testing.T) {
	t.Parallel()
	if !nextest.Sandboxed() {
		t.Skip("only root can give a sandbox a network")
	}
	t.Cleanup(func() { wantNoLinks(t, "nexmvd") })
	dir := filepath.Join(t.TempDir(), "state")
	d, m := r.Isolated(t, "mvd", microvm.Config{Dir: dir})
	gateway := expose(t, m)
	addVoid(t, "93.184.216.254/24")
	egress := map[string]nex.Egress{"open": {}, "closed": {Deny: []string{"93.184.216.0/24"}}}
	snapshots, seen := map[string]bool{}, map[string]string{}
	addresses := map[string]netip.Addr{}
	agents := map[string]*Linked{}
	for id, e := range egress {
		linkDir, l := Listen(t)
		began := time.Now()
		_, said := d.Begin(t, sandbox.Spec{ID: id, LinkDir: linkDir, Network: true, Settings: sandbox.Settings{Egress: e}}, Obey)
		a := Accept(t, l, said)
		t.Logf("the agent of %s answers after %v", id, time.Since(began))
		agents[id] = a
		machine := recorded(t, dir, id)
		snapshots[machine.Snapshot] = true
		mac := a.Read(t, "/sys/class/net/eth0/address")
		if mac != machine.Network.MAC {
			t.Errorf("%s has the hardware address %s, want %s", id, mac, machine.Network.MAC)
		}
		addresses[id] = addressIn(t, a.Read(t, "/etc/hosts"))
		for what, is := range map[string]string{
			"hardware address": mac, "address": addresses[id].String(), "random number": a.Token,
			"number of its run": a.Read(t, "/proc/sys/kernel/random/boot_id"),
		} {
			if who := seen[what+is]; who != "" {
				t.Errorf("%s and %s have the same %s, %s", who, id, what, is)
			}
			seen[what+is] = id
		}
	}
	if len(snapshots) != 1 || snapshots[""] {
		t.Errorf("the machines go on from %v, want one snapshot", snapshots)
	}
	for id, address := range addresses {
		// Nobody listens there, which only the machine itself can say.
		if _, err := net.DialTimeout("tcp", netip.AddrPortFrom(address, 9).String(), Patience); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("connect to %s: %v, want that it refuses", id, err)
		}
		checkClock(t, address)
	}
	for id, want := range map[string]string{"open": "connect: no route to host", "closed": "connect: connection refused"} {
		agents[id].dial(t, gateway+":4222", "<nil>")
		agents[id].dial(t, "93.184.216.34:80", "dial tcp 93.184.216.34:80: "+want)
	}
	other := netip.AddrPortFrom(addresses["closed"], 80).String()
	agents["open"].dial(t, other, "dial tcp "+other+": connect: connection refused")
}

// recorded is the machine of a sandbox, as the driver has written down.
func recorded(t *testing.T, dir, id string) vmm.Machine {
	t.Helper()
	record, err := sandboxdir.ReadRecord(filepath.Join(dir, id))
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ Machine vmm.Machine }
	if err := json.Unmarshal(record.Handle, &h); err != nil || h.Machine.Network == nil {
		t.Fatalf("the record has %s, %v", record.Handle, err)
	}
	return h.Machine
}

// addressIn is the address of the machine in its /etc/hosts.
func addressIn(t *testing.T, hosts string) netip.Addr {
	t.Helper()
	lines := strings.Split(hosts, "\n")
	word, _, _ := strings.Cut(lines[len(lines)-1], " ")
	a, err := netip.ParseAddr(word)
	if err != nil || !a.Is4() || a.IsLoopback() {
		t.Fatalf("/etc/hosts ends with %q", lines[len(lines)-1])
	}
	return a
}
