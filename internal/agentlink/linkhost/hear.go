package linkhost

import (
	"fmt"
	"slices"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

// Bounds of what an agent says. One that was taken over by its workload can say anything; it ends up
// in the node's memory and in events.
const (
	maxReason  = 4 << 10
	maxSignal  = 32
	maxName    = 64 // of versions, systems, types, and ids
	maxTypes   = 16
	maxRecords = 4096 // in one message; an agent of ours sends far fewer
)

// hearHandshake decodes the handshake of the agent with the id.
func hearHandshake(id string, body []byte) (agentlink.Handshake, error) {
	h, err := agentlink.Decode[agentlink.Handshake](body)
	if err == nil && h.AgentID != id {
		err = fmt.Errorf("it names agent %q", clip(h.AgentID, maxName))
	}
	h.Version, h.OS, h.Arch = clip(h.Version, maxName), clip(h.OS, maxName), clip(h.Arch, maxName)
	h.Types = h.Types[:min(len(h.Types), maxTypes)]
	for i, t := range h.Types {
		h.Types[i] = nex.WorkloadType(clip(string(t), maxName))
	}
	if held := h.Held; held != nil {
		held.WorkloadID = clip(held.WorkloadID, maxName)
		if held.Exit != nil {
			held.Exit.Signal = clip(held.Exit.Signal, maxSignal)
		}
	}
	return h, err
}

// hearLogs decodes log records of the agent with the id, whose lines are then no longer than they may be, and
// returns their highest Seq.
func hearLogs(id string, body []byte) (_ []nex.LogRecord, seq uint64, _ error) {
	records, err := agentlink.Decode[[]nex.LogRecord](body)
	records = records[:min(len(records), maxRecords)]
	for i := range records {
		r := &records[i]
		seq = max(seq, r.Seq)
		r.ID, r.Run = "", id // the node knows whose agent it is
		r.Text = clip(r.Text, nex.MaxLogLine)
		if r.Stream != nex.StreamStdout && r.Stream != nex.StreamStderr && r.Stream != nex.StreamNex {
			r.Stream = ""
		}
	}
	return records, seq, err
}

// hearExited decodes how a program ended.
func hearExited(body []byte) (nex.Exit, error) {
	e, err := agentlink.Decode[agentlink.Exited](body)
	e.Exit.Signal = clip(e.Exit.Signal, maxSignal)
	return e.Exit, err
}

// hearDeployed decodes the answer to a Deploy. A failure that the agent reports is an [nex.Error].
func hearDeployed(body []byte) (agentlink.DeployReply, error) {
	r, err := agentlink.Decode[agentlink.DeployReply](body)
	if err != nil || r.Error == "" {
		return r, err
	}
	r.Error = clip(r.Error, maxReason)
	if !slices.ContainsFunc(nex.Codes, func(c nex.CodeInfo) bool { return c.Code == r.Code }) {
		r.Code = nex.CodeStartFailed
	}
	return r, nex.Errorf(r.Code, "%s", r.Error)
}

// clip shortens a text to a number of bytes, between two characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
