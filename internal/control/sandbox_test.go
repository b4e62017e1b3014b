package control_test

import (
	"reflect"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/workload"
)

// sandboxed makes a rig's node one with sandboxes.
func sandboxed(r *rig) {
	r.config.Sandbox, r.config.Network = nex.SandboxGVisor, true
	r.config.Limits = sandbox.LimitSet{Memory: true, CPUs: true, PIDs: true, OpenFiles: true, Disk: true}
	r.config.Types = append(r.config.Types, nex.TypeOCI)
}

// What a request asks of its sandbox arrives.
func TestSandboxOfDeployment(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandboxed)
	image := nex.Location{Scheme: nex.SchemeOCI, Host: "registry.example.com", Path: "/team/app:1.2"}
	requests := []func(*nex.DeployRequest){
		func(*nex.DeployRequest) {},
		func(d *nex.DeployRequest) {
			d.Type, d.Location, d.MinSandbox, d.MemoryMiB, d.CPUs = nex.TypeOCI, image, nex.SandboxGVisor, 16, 0.5
			d.Egress = &nex.Egress{Allow: []string{"10.1.2.3"}, Deny: []string{"*:25"}}
		},
		func(d *nex.DeployRequest) { d.Type, d.TriggerSubjects, d.MemoryMiB = nex.TypeV8, []string{"x"}, 32 },
	}
	for _, edit := range requests {
		if msg := r.ask(r.subject(nex.OpDeploy), r.deployment(edit)); msg.Header.Get("Nats-Service-Error") != "" {
			t.Fatalf("refused: %s", msg.Data)
		}
	}
	want := []workload.Spec{
		{},
		{
			MinSandbox: nex.SandboxGVisor, MemoryMiB: 16, CPUs: 0.5,
			Egress: nex.Egress{Allow: []string{"10.1.2.3"}, Deny: []string{"*:25"}},
		},
		{MemoryMiB: 32},
	}
	var got []workload.Spec
	for _, s := range r.work.deployed() {
		got = append(got, workload.Spec{MinSandbox: s.MinSandbox, MemoryMiB: s.MemoryMiB, CPUs: s.CPUs, Egress: s.Egress})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("deployed\n got %+v\nwant %+v", got, want)
	}
}

// A node without sandboxes takes what asks for none.
func TestDeploymentThatAsksForNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, edit := range []func(*nex.DeployRequest){
		func(d *nex.DeployRequest) { d.MinSandbox = nex.SandboxNone },
		func(d *nex.DeployRequest) { d.Egress = &nex.Egress{} },
	} {
		if msg := r.ask(r.subject(nex.OpDeploy), r.deployment(edit)); msg.Header.Get("Nats-Service-Error") != "" {
			t.Errorf("refused: %s", msg.Data)
		}
	}
}

// More memory than any machine has is refused by the deployment as it is by the auction.
func TestMemoryThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandboxed)
	msg := r.ask(r.subject(nex.OpDeploy), r.deployment(func(d *nex.DeployRequest) { d.MemoryMiB = nex.MaxMemoryMiB }))
	err := nex.DecodeReply(nex.RunResponseType, msg.Data, nil)
	if nex.CodeOf(err) != nex.CodeInsufficientResources || !strings.Contains(err.Error(), "of memory available, not 1048576") {
		t.Errorf("deploy: %v, want code %s", err, nex.CodeInsufficientResources)
	}
	var bid nex.AuctionResponse
	if err := nex.DecodeReply(nex.AuctionResponseType, r.ask("$NEX.AUCTION", `{"memory_mib":1048576,"explain":true}`).Data, &bid); err != nil {
		t.Fatal(err)
	}
	if bid.Bids() || len(bid.Reasons) != 1 || !strings.Contains(bid.Reasons[0], "MiB of memory are available") {
		t.Errorf("bid = %v, reasons = %q", bid.Bids(), bid.Reasons)
	}
}

// Limits are shown as far as they hold.
func TestLimitsInInfo(t *testing.T) {
	t.Parallel()
	all := sandbox.Limits{MemoryBytes: 512 << 20, CPUs: 0.5, PIDs: 64, OpenFiles: 128, DiskBytes: 1 << 30}
	tests := []struct {
		name  string
		holds sandbox.LimitSet
		want  *nex.Limits
	}{
		{"none", sandbox.LimitSet{}, nil},
		{"memory", sandbox.LimitSet{Memory: true}, &nex.Limits{MemoryMiB: 512}},
		{
			"all",
			sandbox.LimitSet{Memory: true, CPUs: true, PIDs: true, OpenFiles: true, Disk: true},
			&nex.Limits{MemoryMiB: 512, CPUs: 0.5, PIDs: 64, OpenFiles: 128, DiskMiB: 1024},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(r *rig) {
				r.work.list = twoNamespaces()
				r.config.Limits = tt.holds
				r.config.LimitsOf = func(spec workload.Spec) sandbox.Limits {
					if spec.ID != "w1" {
						return sandbox.Limits{}
					}
					return all
				}
			})
			var info nex.InfoResponse
			if err := nex.DecodeReply(nex.InfoResponseType, r.ask(r.subject(nex.OpInfo), nil).Data, &info); err != nil {
				t.Fatal(err)
			}
			if len(info.Machines) != 2 || !reflect.DeepEqual(info.Machines[0].Limits, tt.want) || info.Machines[1].Limits != nil {
				t.Errorf("machines = %+v, want the first with limits %+v", info.Machines, tt.want)
			}
		})
	}
}
