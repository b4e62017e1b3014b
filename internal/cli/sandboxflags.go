package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// sandboxFlags are what is asked of a workload's sandbox.
type sandboxFlags struct {
	MinSandbox  string   `name:"min_sandbox" aliases:"min-sandbox" help:"Weakest sandbox level that will do: none, gvisor or microvm." placeholder:"LEVEL" enum:",none,gvisor,microvm" default:""`
	Memory      mebibyte `help:"Memory that the workload may take, in MiB or with a unit: 256, 256MiB, 1GiB; 0 is the node's default." placeholder:"SIZE"`
	CPU         float64  `name:"cpu" help:"Processors that the workload may take, such as 0.5; 0 is the node's default." placeholder:"N"`
	EgressAllow []string `name:"egress_allow" aliases:"egress-allow" help:"Where the service may connect to, within what the node allows: an address, a network, a name or *.name, and a port after a colon; repeat the flag for more." placeholder:"RULE"`
	EgressDeny  []string `name:"egress_deny" aliases:"egress-deny" help:"Where the service may not connect to, whatever is allowed; repeat the flag for more." placeholder:"RULE"`
}

// checkSandbox checks the flags for a workload of a type.
func (f sandboxFlags) checkSandbox(t nex.WorkloadType) error {
	switch {
	case f.Memory != 0 && (f.Memory < nex.MinMemoryMiB || f.Memory > nex.MaxMemoryMiB):
		return usagef("--memory must be between %s and %s, or 0 for the node's default", mebibyte(nex.MinMemoryMiB), mebibyte(nex.MaxMemoryMiB))
	case f.CPU != 0 && !(f.CPU >= nex.MinCPUs && f.CPU <= nex.MaxCPUs): // not a number is neither
		return usagef("--cpu must be between %v and %v, or 0 for the node's default", nex.MinCPUs, nex.MaxCPUs)
	case t.Function() && !f.egress().IsZero():
		return usagef("a function has no network of its own: leave --egress_allow and --egress_deny away")
	}
	if err := (nex.Egress{Allow: f.EgressAllow}).Check(); err != nil {
		return usagef("--egress_allow: %v", err)
	}
	if err := (nex.Egress{Deny: f.EgressDeny}).Check(); err != nil {
		return usagef("--egress_deny: %v", err)
	}
	return nil
}

func (f sandboxFlags) egress() nex.Egress {
	return nex.Egress{Allow: f.EgressAllow, Deny: f.EgressDeny}
}

// set puts the flags into a deployment.
func (f sandboxFlags) set(d *client.Deployment) {
	d.MinSandbox, d.MemoryMiB, d.CPUs, d.Egress = nex.SandboxLevel(f.MinSandbox), int(f.Memory), f.CPU, f.egress()
}

// mebibyte is an amount of memory in MiB, as people write it.
type mebibyte int

// units of amounts of memory, in MiB; those of powers of ten are left out, for nobody is sure which is
// meant.
var units = []struct {
	suffix string
	mib    int
}{{"MIB", 1}, {"GIB", 1 << 10}, {"TIB", 1 << 20}, {"M", 1}, {"G", 1 << 10}, {"T", 1 << 20}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *mebibyte) UnmarshalText(text []byte) error {
	digits, factor := strings.ToUpper(strings.TrimSpace(string(text))), 1
	for _, u := range units {
		if number, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, factor = strings.TrimSpace(number), u.mib
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32/int64(factor) {
		return fmt.Errorf("%q is no amount of memory: write MiB, or a unit, such as 256, 256MiB or 1GiB", string(text))
	}
	*m = mebibyte(n * int64(factor))
	return nil
}

// String writes the amount in the largest unit that it is a whole number of.
func (m mebibyte) String() string {
	switch {
	case m != 0 && m%(1<<20) == 0:
		return fmt.Sprintf("%dTiB", m>>20)
	case m != 0 && m%(1<<10) == 0:
		return fmt.Sprintf("%dGiB", m>>10)
	}
	return fmt.Sprintf("%dMiB", int(m))
}
