package vminit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/guest"
)

func contains(t *testing.T, what, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s: %q, want %q in it", what, got, w)
		}
	}
}

// awaitExit returns how the agent ended, as the node hears.
func (p *peer) awaitExit(t *testing.T) guest.Exit {
	t.Helper()
	select {
	case e := <-p.exits:
		return e
	case <-time.After(bootTimeout):
		t.Fatal("the node does not hear of the agent's end")
		return guest.Exit{}
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	m := start(t, options{})
	p := newPeer()
	s := m.connect(p)
	t.Logf("the init answers %v after the start of QEMU", time.Since(begin))
	ctx := t.Context()

	if state, err := s.State(ctx); err != nil || state.Booted || state.ID != "" {
		t.Fatalf("state before boot = %+v, %v", state, err)
	}
	if err := s.Configure(ctx, guest.Limits{}); err == nil {
		t.Error("configured before boot")
	}
	limits := guest.Limits{MemoryBytes: 96 << 20, CPUs: 0.5, PIDs: 64, OpenFiles: 100}
	b := boot(limits, nil)
	b.Time = time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := s.Boot(ctx, b); err != nil {
		t.Fatal(err)
	}
	if err := s.Boot(ctx, b); err == nil || !strings.Contains(err.Error(), "booted before") {
		t.Errorf("second boot: %v", err)
	}
	l := p.awaitLink(t)
	t.Logf("the agent has connected %v after the start of QEMU", time.Since(begin))

	contains(t, "ids", l.ask(t, "ids"), "uid 1000 gid 1000 dir /home/nex host first", "HOME=/home/nex", "TMPDIR=/tmp")
	status := l.ask(t, "read", "/proc/self/status")
	contains(t, "status", status, "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "Groups:\t \n")
	contains(t, "hosts", l.ask(t, "read", "/etc/hosts"), "127.0.0.1 localhost", "127.0.0.1 first")
	contains(t, "open files", l.ask(t, "open"), "100 100")
	contains(t, "addresses", l.ask(t, "addresses"), "127.0.0.1/8")
	contains(t, "mounts", l.ask(t, "read", "/proc/mounts"), "overlay / overlay rw,nosuid,nodev", "cgroup2 /sys/fs/cgroup")
	now, _ := strconv.ParseInt(l.ask(t, "time"), 10, 64)
	if at := time.Unix(0, now); at.Before(b.Time) || at.After(b.Time.Add(bootTimeout)) {
		t.Errorf("the time is %v, and was set to %v", at, b.Time)
	}
	group := func(want ...string) {
		t.Helper()
		for i, file := range []string{"memory.max", "cpu.max", "pids.max"} {
			if got := strings.TrimSpace(l.ask(t, "read", "/sys/fs/cgroup/agent/"+file)); got != want[i] {
				t.Errorf("%s = %q, want %q", file, got, want[i])
			}
		}
	}
	group(fmt.Sprint(96<<20), "50000 100000", "64")
	if err := s.Configure(ctx, guest.Limits{OpenFiles: 100, CPUs: 2}); err != nil {
		t.Error(err)
	}
	group("max", "200000 100000", "max")
	if err := s.Configure(ctx, limits); err != nil {
		t.Error(err)
	}
	if err := s.Configure(ctx, guest.Limits{OpenFiles: 50}); err == nil {
		t.Error("the limit of open files was changed")
	}
	group(fmt.Sprint(96<<20), "50000 100000", "64")
	for _, c := range []struct{ file, want string }{
		{"/proc/sys/kernel/panic", "permission denied"},
		{"/dev/vda", "permission denied"},
		{guest.StagedDir + "/x", "permission denied"},
		{"/usr/lib/nex/x", "permission denied"},
		{"/tmp/x", "written"},
		{"/home/nex/x", "written"},
	} {
		contains(t, "write "+c.file, l.ask(t, "write", c.file, "1"), c.want)
	}

	content := make([]byte, 3<<20+5)
	_, _ = rand.Read(content)
	path, err := s.Stage(ctx, "artifact", int64(len(content)), bytes.NewReader(content))
	if err != nil || path != guest.StagedDir+"/artifact" {
		t.Fatalf("path = %q, %v", path, err)
	}
	contains(t, "staged", l.ask(t, "size", path), "3145733 -r-xr-xr-x")
	if _, err := s.Stage(ctx, "artifact", 1, strings.NewReader("a")); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("the same name again: %v", err)
	}
	if _, err := s.Stage(ctx, "short", 10, strings.NewReader("abc")); err == nil || !strings.Contains(err.Error(), "7 bytes shorter") {
		t.Errorf("fewer bytes: %v", err)
	}
	contains(t, "what is not whole", l.ask(t, "size", guest.StagedDir+"/short"), "no such file")

	// The node goes, while a file is on its way, and comes again.
	r, w := io.Pipe()
	staging := make(chan error, 1)
	go func() {
		_, err := s.Stage(ctx, "half", 1<<20, r)
		staging <- err
	}()
	if _, err := w.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	w.Close()
	if err := <-staging; err == nil {
		t.Error("staged without a session")
	}
	p = newPeer()
	s = m.connect(p)
	l = p.awaitLink(t)
	state, err := s.State(ctx)
	if err != nil || !state.Booted || state.ID != "vm1" || fmt.Sprint(state.Staged) != "[artifact]" {
		t.Errorf("state = %+v, %v", state, err)
	}
	if _, err := s.Stage(ctx, "half", 3, strings.NewReader("abc")); err != nil {
		t.Error(err)
	}

	l.tell(t, "exit 3")
	if e := p.awaitExit(t); e != (guest.Exit{Code: 3}) {
		t.Errorf("exit = %+v", e)
	}
	contains(t, "console", m.awaitEnd(), guest.EndedLine+`{"code":3}`)
	<-s.Done()
	if _, err := s.State(ctx); err == nil {
		t.Error("a machine that has ended has a state")
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	m := start(t, options{extra: []string{
		"-chardev", "null,id=sink", "-netdev", "user,id=net,restrict=on,guestfwd=tcp:10.0.2.100:7-chardev:sink",
		"-device", "virtio-net-device,netdev=net,mac=52:54:00:12:34:56",
	}})
	p := newPeer()
	s := m.connect(p)
	n := &guest.Network{
		// The gateway is outside of the subnet, which has nobody else.
		Address: netip.MustParsePrefix("10.0.2.15/32"), Gateway: netip.MustParseAddr("10.0.2.2"),
		Nameservers: []netip.Addr{netip.MustParseAddr("10.0.2.3")}, MAC: "02:00:00:12:34:56", MTU: 1400,
	}
	if err := s.Boot(t.Context(), boot(guest.Limits{}, n)); err != nil {
		t.Fatal(err)
	}
	l := p.awaitLink(t)
	contains(t, "ids", l.ask(t, "ids"), "uid 1000", "dir /work", "HOME=/work", "NEX_AGENT_USER=1001:1001")
	// To change owner, kill, set group, user and capabilities.
	contains(t, "status", l.ask(t, "read", "/proc/self/status"), "CapEff:\t00000000000001e1", "CapBnd:\t00000000000001e1", "CapAmb:\t00000000000001e1")
	contains(t, "addresses", l.ask(t, "addresses"), "10.0.2.15/32")
	contains(t, "hardware address", l.ask(t, "read", "/sys/class/net/eth0/address"), "02:00:00:12:34:56")
	contains(t, "MTU", l.ask(t, "read", "/sys/class/net/eth0/mtu"), "1400")
	contains(t, "resolv.conf", l.ask(t, "read", "/etc/resolv.conf"), "nameserver 10.0.2.3\n")
	contains(t, "hosts", l.ask(t, "read", "/etc/hosts"), "10.0.2.15 first")
	contains(t, "routes", l.ask(t, "read", "/proc/net/route"), "eth0\t00000000\t0202000A")
	contains(t, "dial", l.ask(t, "dial", "10.0.2.100:7"), "connected")
}

func TestBounds(t *testing.T) {
	t.Parallel()
	m := start(t, options{disk: 16 << 20})
	p := newPeer()
	s := m.connect(p)
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	if err := s.Boot(ctx, boot(guest.Limits{MemoryBytes: 48 << 20}, nil)); err != nil {
		t.Fatal(err)
	}
	l := p.awaitLink(t)
	contains(t, "fill", l.ask(t, "fill", "/tmp/full"), "no space left")
	if _, err := s.Stage(ctx, "much", 8<<20, bytes.NewReader(make([]byte, 8<<20))); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("stage on a full disk: %v", err)
	}
	contains(t, "remove", l.ask(t, "remove", "/tmp/full"), "removed")
	if _, err := s.Stage(ctx, "much", 8<<20, bytes.NewReader(make([]byte, 8<<20))); err != nil {
		t.Error(err)
	}
	l.tell(t, "eat")
	if e := p.awaitExit(t); e != (guest.Exit{Code: -1, Signal: "SIGKILL", OOM: true}) {
		t.Errorf("exit = %+v", e)
	}
	contains(t, "console", m.awaitEnd(), guest.EndedLine+`{"code":-1,"signal":"SIGKILL","oom":true}`)
}

func TestMissingDisk(t *testing.T) {
	t.Parallel()
	m := start(t, options{disk: -1})
	contains(t, "console", m.awaitEnd(), "nex-init: the VM has no /dev/vdb")
}
