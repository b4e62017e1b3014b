package cgroup_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Without rights nothing is bounded, which is told, and everything else works.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	cmd := play("unprivileged")
	if os.Geteuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "root") {
		t.Errorf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}

// unprivileged does what a node does, and prints why nothing is bounded.
func unprivileged() {
	check := func(ok bool, what string, got ...any) {
		if !ok {
			fmt.Println(append([]any{what, "="}, got...)...)
			os.Exit(1)
		}
	}
	m, err := cgroup.Open(cgroup.Config{Prefix: fmt.Sprintf("nex-test-%d", os.Getpid())})
	check(err == nil, "Open", err)
	l := m.Limits()
	check(l.Missing != "" && l == sandbox.LimitSet{Missing: l.Missing}, "Limits", l)
	for _, m := range []*cgroup.Manager{m, nil} {
		_, err = m.Create("bounded", sandbox.Limits{MemoryBytes: 1 << 30})
		check(err != nil && strings.Contains(err.Error(), m.Limits().Missing), "Create with a limit", err)
		g, err := m.Create("free", sandbox.Limits{})
		check(err == nil, "Create", err)
		cmd := shell("exit 3")
		check(g.Start(cmd) == nil, "Start", cmd)
		_ = cmd.Wait()
		check(cmd.ProcessState.ExitCode() == 3, "exit", cmd.ProcessState)
		n, err := g.OOMKills()
		check(n == 0 && err == nil, "OOMKills", n, err)
		check(g.Kill(context.Background()) == nil && g.Remove(context.Background()) == nil, "end")
		n, err = m.Sweep(context.Background())
		check(n == 0 && err == nil, "Sweep", n, err)
		check(m.Close() == nil, "Close")
	}
	fmt.Println(l.Missing)
	os.Exit(0)
}
