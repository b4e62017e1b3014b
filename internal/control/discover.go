package control

import (
	"encoding/json"
	"slices"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/hostinfo"
	"github.com/nex-engine/nex/internal/placement"
	"github.com/nex-engine/nex/internal/workload"
)

func (s *Service) ping(nex.Request, []byte) (any, error) { return s.pingResponse(), nil }

func (s *Service) pingResponse() nex.PingResponse {
	return nex.PingResponse{
		NodeID: s.cfg.NodeID, Nexus: s.cfg.Nexus, Version: nex.Version, Uptime: s.uptime(),
		TargetXkey: s.xkey, Tags: s.Tags(), RunningMachines: s.cfg.Workloads.Active(),
	}
}

func (s *Service) auction(_ nex.Request, body []byte) (any, error) {
	r, err := nex.DecodeAuctionRequest(body)
	if err != nil {
		return nil, err
	}
	node := placement.Node{
		OS: s.cfg.OS, Arch: s.cfg.Arch, Sandbox: s.cfg.Sandbox, Types: s.cfg.Types, Tags: s.Tags(),
		LameDuck: s.lameDuck.Load(), Full: s.cfg.Workloads.Full() != nil, AvailableMiB: availableMiB(),
	}
	reasons := placement.Reasons(r, node)
	bid := len(reasons) == 0
	if !bid && !r.Explain {
		return nil, nil
	}
	return nex.AuctionResponse{PingResponse: s.pingResponse(), Bid: &bid, Reasons: reasons}, nil
}

// availableMiB is the machine's available memory; negative when it is not known.
func availableMiB() int {
	if m := hostinfo.Memory(); m != nil && m.Available > 0 {
		return m.Available / 1024
	}
	return -1
}

func (s *Service) workloadPing(r nex.Request, _ []byte) (any, error) {
	var found []nex.WorkloadPing
	for _, w := range s.cfg.Workloads.List(r.Namespace) {
		if w.State.Ended() || (r.Workload != "" && r.Workload != w.Spec.ID && r.Workload != w.Spec.Name) {
			continue
		}
		found = append(found, nex.WorkloadPing{ID: w.Spec.ID, Namespace: w.Spec.Namespace, Name: w.Spec.Name, Type: w.Spec.Type})
	}
	if found == nil {
		return nil, nil
	}
	return nex.WorkloadPingResponse{
		NodeID: s.cfg.NodeID, TargetXkey: s.xkey, Version: nex.Version, Tags: s.Tags(), Uptime: s.uptime(), RunningMachines: found,
	}, nil
}

func (s *Service) info(r nex.Request, _ []byte) (any, error) {
	machines := []nex.MachineInfo{} // an empty list, not null, on the wire
	for _, w := range s.cfg.Workloads.List(r.Namespace) {
		machines = append(machines, s.machineInfo(w))
	}
	return nex.InfoResponse{
		Version: nex.Version, Uptime: s.uptime(), PublicXkey: s.xkey, Tags: s.Tags(), Memory: hostinfo.Memory(),
		AvailableAgents: s.cfg.IdleAgents(), Machines: machines, SupportedWorkloadTypes: s.cfg.Types,
	}, nil
}

func (s *Service) machineInfo(w workload.Status) nex.MachineInfo {
	runtime := "0s"
	if w.State == nex.StateRunning {
		runtime = since(w.Started)
	}
	return nex.MachineInfo{
		ID: w.Spec.ID, Healthy: w.State == nex.StateRunning, Uptime: since(w.Accepted), Namespace: w.Spec.Namespace,
		Workload: nex.WorkloadSummary{
			ID: w.Spec.ID, Name: w.Spec.Name, Description: w.Spec.Description, Essential: w.Spec.Essential,
			Runtime: runtime, Type: w.Spec.Type, Hash: w.Digest, Restart: w.Spec.Restart.Resolve(w.Spec.Type, w.Spec.Essential),
		},
		State: w.State, Sandbox: w.Sandbox, Restarts: w.Restarts, Reason: w.Reason, Triggers: w.Spec.Triggers, Calls: w.Calls,
		Limits: s.limits(w.Spec),
	}
}

// limits are what holds of the limits of a workload; nil if none does.
func (s *Service) limits(spec workload.Spec) *nex.Limits {
	if s.cfg.LimitsOf == nil {
		return nil
	}
	var held nex.Limits
	l, holds := s.cfg.LimitsOf(spec), s.cfg.Limits
	if holds.Memory {
		held.MemoryMiB = int(l.MemoryBytes >> 20)
	}
	if holds.CPUs {
		held.CPUs = l.CPUs
	}
	if holds.PIDs {
		held.PIDs = l.PIDs
	}
	if holds.OpenFiles {
		held.OpenFiles = l.OpenFiles
	}
	if holds.Disk {
		held.DiskMiB = int(l.DiskBytes >> 20)
	}
	if held == (nex.Limits{}) {
		return nil
	}
	return &held
}

func (s *Service) logs(r nex.Request, body []byte) (any, error) {
	req, err := nex.DecodeLogsRequest(body)
	if err != nil {
		return nil, err
	}
	lines := s.cfg.Workloads.Logs(r.Namespace, req.Workload, req.Lines)
	if lines == nil {
		lines = []nex.LogLine{} // an empty list, not null, on the wire
	}
	return nex.LogsResponse{Lines: newest(lines, int(s.cfg.Conn.MaxPayload())-envelopeBytes)}, nil
}

// envelopeBytes is more than what a reply has around a list.
const envelopeBytes = 1 << 10

// newest returns the last of the lines, as many as can be sent in so many bytes. The lines that a node
// keeps can be more than a NATS message holds.
func newest(lines []nex.LogLine, most int) []nex.LogLine {
	for i, line := range slices.Backward(lines) {
		b, err := json.Marshal(line)
		most -= len(b) + len(",")
		if err != nil || most < 0 {
			return lines[i+1:]
		}
	}
	return lines
}
