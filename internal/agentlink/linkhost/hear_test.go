package linkhost_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
)

func TestWhatAgentsSayIsBounded(t *testing.T) {
	long := strings.Repeat("ä", 100<<10)
	records, seq, err := linkhost.HearLogs("A", agentlink.Encode([]nex.LogRecord{
		{Text: long, ID: long, Run: long, Stream: long, Level: 4, Seq: 7},
		{Text: "short", ID: "another's", Seq: 6, Stream: nex.StreamStderr},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if seq != 7 {
		t.Errorf("the highest Seq is %d, want 7", seq)
	}
	if r := records[0]; len(r.Text) != nex.MaxLogLine || r.ID != "" || r.Stream != "" || r.Level != 4 || r.Seq != 7 || r.Run != "A" {
		t.Errorf("long record: %d bytes of text, id %.10q, stream %.10q, level %d, seq %d", len(r.Text), r.ID, r.Stream, r.Level, r.Seq)
	}
	if r := records[1]; r.Text != "short" || r.ID != "" || r.Stream != nex.StreamStderr {
		t.Errorf("short record = %+v", r)
	}

	_, err = linkhost.HearDeployed(agentlink.Encode(agentlink.DeployReply{Error: long, Code: nex.Code(long)}))
	if n := len(err.Error()); n > 4<<10 || nex.CodeOf(err) != nex.CodeStartFailed {
		t.Errorf("long error has %d bytes and code %.20q", n, nex.CodeOf(err))
	}
	if exit, err := linkhost.HearExited(agentlink.Encode(agentlink.Exited{Exit: nex.Exit{Signal: long}})); err != nil || len(exit.Signal) > 32 {
		t.Errorf("long signal has %d bytes, %v", len(exit.Signal), err)
	}
	h, err := linkhost.HearHandshake("A", agentlink.Encode(agentlink.Handshake{
		AgentID: "A", Version: long, OS: long, Arch: long, Types: make([]nex.WorkloadType, 1000),
		Held: &agentlink.Held{WorkloadID: long, Exit: &nex.Exit{Signal: long}},
	}))
	if err != nil || len(h.Version+h.OS+h.Arch+h.Held.WorkloadID+h.Held.Exit.Signal) > 5*64 || len(h.Types) > 16 {
		t.Errorf("a handshake that is long is heard as %.500v, %v", h, err)
	}
	if _, err := linkhost.HearHandshake("A", agentlink.Encode(agentlink.Handshake{AgentID: long})); err == nil || len(err.Error()) > 200 {
		t.Errorf("error of a handshake with a long id: %.300v", err)
	}
}

func FuzzHear(f *testing.F) {
	f.Add([]byte(`{"agent_id":"A","version":"1","os":"linux","arch":"amd64","types":["native"]}`))
	f.Add([]byte(`{"agent_id":"A","protocol":1,"held":{"workload_id":"w","pid":7,"exit":{"code":-1,"signal":"SIGKILL"}}}`))
	f.Add([]byte(`{"agent_id":"A","protocol":1,"held":{"exit":null}}`))
	f.Add([]byte(`[{"text":"x","level":4,"id":"w","stream":"stdout","time":"2026-01-02T03:04:05Z","seq":1},{}]`))
	f.Add([]byte(`{"exit":{"code":-1,"signal":"SIGKILL","oom":true}}`))
	f.Add([]byte(`{"pid":7}`))
	f.Add([]byte(`{"error":"no","code":"start_failed"}`))
	f.Add([]byte(`{"error":"no","code":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if h, err := linkhost.HearHandshake("A", body); err == nil && h.AgentID != "A" {
			t.Errorf("handshake of agent %q", h.AgentID)
		} else if held := h.Held; err == nil && held != nil && (len(held.WorkloadID) > 64 || held.Exit != nil && len(held.Exit.Signal) > 32) {
			t.Errorf("an agent holds %+v", held)
		}
		records, seq, err := linkhost.HearLogs("A", body)
		for _, r := range records {
			if err == nil && (r.ID != "" || r.Run != "A" || r.Seq > seq || len(r.Text) > nex.MaxLogLine || len(r.Stream) > 6 || !utf8.ValidString(r.Text)) {
				t.Errorf("record %+v", r)
			}
		}
		if e, err := linkhost.HearExited(body); err == nil && len(e.Signal) > 32 {
			t.Errorf("exit %+v", e)
		}
		if r, err := linkhost.HearDeployed(body); err == nil && r.Error != "" {
			t.Errorf("a failure is no error: %+v", r)
		} else if code := nex.CodeOf(err); err != nil && (code.Status() == 0 || code == "") {
			t.Errorf("error without a code: %v", err)
		}
	})
}
