//go:build linux

package network_test

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// cniConfig has a network "testnet" that a plugin makes which is built here.
func cniConfig(t *testing.T, options string) network.Config {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "cniplugin"), "./testdata/cniplugin")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build plugin: %v\n%s", err, out)
	}
	conf := `{"cniVersion": "1.0.0", "name": "testnet", "plugins": [{"type": "cniplugin"` + options + `}]}`
	must(t, os.WriteFile(filepath.Join(dir, "10-test.conflist"), []byte(conf), 0o600))
	return network.Config{Name: "t1", InterfaceName: "eth7", CNI: network.CNI{
		NetworkName: "testnet", Dir: dir, BinPath: []string{filepath.Join(dir, "bin")}, CacheDir: filepath.Join(dir, "cache"),
	}}
}

func TestCNI(t *testing.T) {
	cfg := cniConfig(t, "")
	m := openManager(t, cfg)
	if m.Gateway().IsValid() {
		t.Errorf("gateway is %s", m.Gateway())
	}
	ep := attach(t, m, "a", nex.Egress{})
	if got := ep.Addr().String(); got != "10.99.0.2" {
		t.Errorf("address is %s", got)
	}
	serveTCP(t, "10.99.0.1:8080")
	wantReached(t, ep.Namespace(), "10.99.0.1:8080", "10.99.0.2")
	within(t, ep.Namespace(), func() {
		if _, err := os.Stat("/proc/sys/net/ipv4/conf/eth7"); err != nil {
			t.Errorf("interface inside: %v", err)
		}
	})
	// What would not hold is refused.
	rule := nex.Egress{Deny: []string{"*:25"}}
	if _, err := m.Attach(t.Context(), "b", rule); err == nil || !strings.Contains(err.Error(), "testnet") {
		t.Errorf("attach with rules: %v", err)
	}
	if err := ep.SetEgress(t.Context(), rule); err == nil {
		t.Error("rules are set")
	}
	must(t, ep.SetEgress(t.Context(), nex.Egress{}))
	if err := m.Expose(80, netip.MustParseAddrPort("127.0.0.1:80")); err == nil {
		t.Error("a port is exposed")
	}
	cfg.Egress = rule
	if _, err := network.Open(t.Context(), cfg); err == nil {
		t.Error("a node with rules is opened")
	}
}

// Without a network of the name the built-in one is used; one that is there but useless is an error.
func TestCNIMissing(t *testing.T) {
	cfg := cniConfig(t, "")
	broken := cfg
	broken.CNI.BinPath = nil
	if _, err := network.Open(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "cni.bin_path") {
		t.Errorf("without plugins: %v", err)
	}
	for _, c := range []network.CNI{{NetworkName: "other", Dir: cfg.CNI.Dir}, {NetworkName: "testnet", Dir: t.TempDir()}, {NetworkName: "testnet", Dir: "/nonexistent"}} {
		m := openManager(t, network.Config{CNI: c})
		if !m.Gateway().IsValid() {
			t.Error("no built-in network")
		}
		must(t, m.Close())
	}
}

func TestCNIFails(t *testing.T) {
	m := openManager(t, cniConfig(t, `, "fail": true`))
	before := snapshot(t)
	if _, err := m.Attach(t.Context(), "a", nex.Egress{}); err == nil || !strings.Contains(err.Error(), "told to fail") {
		t.Errorf("attach: %v", err)
	}
	if got := snapshot(t); got != before {
		t.Errorf("a failed attach leaves:\n%s\nbefore there was:\n%s", got, before)
	}
}

// What a node that was killed attached is given back by its plugins.
func TestCNILeftovers(t *testing.T) {
	cfg := cniConfig(t, "")
	clean := snapshot(t)
	m, err := network.Open(t.Context(), cfg)
	must(t, err)
	_, err = m.Attach(t.Context(), "a", nex.Egress{})
	must(t, err, m.Close()) // with a sandbox still attached
	if got := snapshot(t); !strings.Contains(got, "testcni0") || !strings.Contains(got, "next1-a") {
		t.Fatalf("nothing is left:\n%s", got)
	}
	m, err = network.Open(t.Context(), cfg)
	must(t, err)
	wantSwept(t, m, 1)
	must(t, m.Close())
	if got := snapshot(t); got != clean {
		t.Errorf("in the end there is:\n%s\nat first there was:\n%s", got, clean)
	}
}
