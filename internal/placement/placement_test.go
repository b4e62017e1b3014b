package placement_test

import (
	"slices"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/placement"
)

func node() placement.Node {
	return placement.Node{
		OS: "linux", Arch: "amd64", Sandbox: nex.SandboxGVisor, Types: []nex.WorkloadType{nex.TypeNative, nex.TypeV8},
		Tags: map[string]string{"region": "EU", "empty": ""}, AvailableMiB: 512,
	}
}

func TestReasons(t *testing.T) {
	yes, no := true, false
	type n = *placement.Node
	tests := []struct {
		name    string
		request nex.AuctionRequest
		node    func(n)
		want    []string // what each reason says, in order
	}{
		{"nothing asked", nex.AuctionRequest{}, nil, nil},
		{
			"all asked and met", nex.AuctionRequest{
				OS: "linux", Arch: "amd64", Sandboxed: &yes, MinSandbox: nex.SandboxGVisor, MemoryMiB: 512,
				WorkloadTypes: []nex.WorkloadType{nex.TypeV8}, Tags: map[string]string{"region": "eu", "empty": ""},
			}, nil, nil,
		},
		{"lame duck", nex.AuctionRequest{}, func(n n) { n.LameDuck = true }, []string{"lame duck"}},
		{"full", nex.AuctionRequest{}, func(n n) { n.Full = true }, []string{"as many workloads"}},
		{"system", nex.AuctionRequest{OS: "windows"}, nil, []string{"linux, not windows"}},
		{"architecture", nex.AuctionRequest{Arch: "arm64"}, nil, []string{"amd64, not arm64"}},
		{"sandbox wanted, none there", nex.AuctionRequest{Sandboxed: &yes}, func(n n) { n.Sandbox = nex.SandboxNone }, []string{"level is none"}},
		{"sandbox there, none wanted", nex.AuctionRequest{Sandboxed: &no}, nil, []string{"level is gvisor"}},
		{"no sandbox wanted, none there", nex.AuctionRequest{Sandboxed: &no}, func(n n) { n.Sandbox = nex.SandboxNone }, nil},
		{"sandbox too weak", nex.AuctionRequest{MinSandbox: nex.SandboxMicroVM}, nil, []string{"gvisor, below microvm"}},
		{"sandbox stronger than wanted", nex.AuctionRequest{MinSandbox: nex.SandboxNone}, nil, nil},
		{
			"two types, one there",
			nex.AuctionRequest{WorkloadTypes: []nex.WorkloadType{nex.TypeNative, nex.TypeWasm}},
			nil,
			[]string{"type wasm"},
		},
		{"another type", nex.AuctionRequest{WorkloadTypes: []nex.WorkloadType{"elf"}}, nil, []string{"type elf"}},
		{
			"tags, in order",
			nex.AuctionRequest{Tags: map[string]string{"z": "1", "region": "us", "a": ""}},
			nil,
			[]string{"no tag a", `tag region is "EU", not "us"`, "no tag z"},
		},
		{"memory", nex.AuctionRequest{MemoryMiB: 513}, nil, []string{"512 MiB of memory are available, not 513"}},
		{"no memory left", nex.AuctionRequest{MemoryMiB: 1}, func(n n) { n.AvailableMiB = 0 }, []string{"0 MiB"}},
		{"memory not known", nex.AuctionRequest{MemoryMiB: 1 << 30}, func(n n) { n.AvailableMiB = -1 }, nil},
		{
			"all wrong",
			nex.AuctionRequest{
				OS: "x", Arch: "x", Sandboxed: &yes, MinSandbox: nex.SandboxMicroVM, MemoryMiB: 1000,
				WorkloadTypes: []nex.WorkloadType{"x"}, Tags: map[string]string{"x": ""},
			},
			func(n n) { n.LameDuck, n.Full, n.Sandbox = true, true, nex.SandboxNone },
			[]string{"lame duck", "as many", "operating system", "architecture", "level is none", "below microvm", "type x", "no tag x", "MiB"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := node()
			if tt.node != nil {
				tt.node(&n)
			}
			got := placement.Reasons(&tt.request, n)
			if !slices.EqualFunc(got, tt.want, strings.Contains) {
				t.Errorf("reasons = %q, want them to say %q", got, tt.want)
			}
		})
	}
}
