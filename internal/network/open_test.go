//go:build linux

package network_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// A node starts while another one, or anybody, makes and removes interfaces.
func TestOpenWhileInterfacesChange(t *testing.T) {
	newWorld(t)
	for i := range 50 { // lists that take a while
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "lan" + string(rune('A'+i))
		link := netlink.NewVeth(attrs)
		link.PeerName = "p" + attrs.Name
		must(t, netlink.LinkAdd(link))
		t.Cleanup(func() { must(t, netlink.LinkDel(link)) })
	}
	ctx, cancel := context.WithCancel(t.Context())
	var changing sync.WaitGroup
	defer changing.Wait()
	defer cancel()
	changing.Go(func() {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "comes"
		for ctx.Err() == nil {
			link := netlink.NewVeth(attrs)
			link.PeerName = "goes"
			if err := netlink.LinkAdd(link); err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(netlink.AddrAdd(link, cidr("10.66.0.1/24")), netlink.LinkSetUp(link), netlink.LinkDel(link)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 30 {
		m, err := network.Open(t.Context(), network.Config{Name: "t1"})
		must(t, err)
		must(t, m.Close())
	}
}

// Another user of the machine, who can read the directory of the namespaces, cannot keep nodes from starting
// and ending by that; another node that starts can, for a while.
func TestOpenWaitsForNodesOnly(t *testing.T) {
	m, err := network.Open(t.Context(), network.Config{Name: "t1"})
	must(t, err)
	hold := func(path string) (release func()) {
		f, err := os.Open(path)
		must(t, err, unix.Flock(int(f.Fd()), unix.LOCK_EX))
		return func() { must(t, f.Close()) }
	}
	release := hold("/run/netns")
	ended := make(chan error, 1)
	go func() {
		err := m.Close()
		if err == nil {
			m, err = network.Open(t.Context(), network.Config{Name: "t1"})
		}
		if err == nil {
			err = m.Close()
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		must(t, err)
		release()
	case <-time.After(20 * time.Second):
		release()
		t.Fatalf("a lock of the directory is waited for: %v", <-ended)
	}

	st, err := os.Stat(network.LockFile)
	must(t, err)
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode of the lock is %v", st.Mode())
	}
	release = hold(network.LockFile)
	gaveUp := errors.New("gave up")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gaveUp)
	if _, err := network.Open(ctx, network.Config{Name: "t1"}); !errors.Is(err, gaveUp) || !strings.Contains(err.Error(), network.LockFile) {
		t.Errorf("open while another node starts: %v", err)
	}
	release()
}

// What a change left of which the answer was lost does not become part of a policy, nor keep a sandbox from
// being closed.
func TestRulesAreReplaced(t *testing.T) {
	newWorld(t)
	m := openManager(t, network.Config{})
	c, err := nftables.New()
	must(t, err)
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "nex_t1"}
	for _, name := range []string{"e2", "e2w", "e2a"} { // the first sandbox's
		chain := c.AddChain(&nftables.Chain{Table: table, Name: name})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}})
	}
	must(t, c.Flush())
	ep := attach(t, m, "a", nex.Egress{Deny: []string{"*"}})
	wantRefused(t, ep.Namespace(), publicAddr+":80")
	must(t, ep.SetEgress(t.Context(), nex.Egress{Allow: []string{"a.test", publicAddr + ":80"}}))
	wantReached(t, ep.Namespace(), publicAddr+":80", nodeAddr)
	wantRefused(t, ep.Namespace(), publicAddr+":443")

	sets, err := c.GetSets(table)
	must(t, err)
	for _, set := range sets {
		if set.Name == "policies" || set.Name == "senders" || set.Name == "flows" {
			c.FlushSet(set)
		}
	}
	must(t, c.Flush(), ep.Close())
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	must(t, err)
	for _, chain := range chains {
		if strings.HasPrefix(chain.Name, "e2") {
			t.Errorf("chain %s is left", chain.Name)
		}
	}
}
