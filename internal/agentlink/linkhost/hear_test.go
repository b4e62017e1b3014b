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
	records, err := linkhost.HearLogs(agentlink.Encode([]nex.LogRecord{
		{Text: long, ID: long, Stream: long, Level: 4, Seq: 2},
		{Text: "short", ID: "another's", Stream: nex.StreamStderr},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if r := records[0]; len(r.Text) != nex.MaxLogLine || r.ID != "" || r.Stream != "" || r.Level != 4 || r.Seq != 2 {
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
	if _, err := linkhost.HearHandshake("A", agentlink.Encode(agentlink.Handshake{AgentID: long})); err == nil || len(err.Error()) > 200 {
		t.Errorf("error of a handshake with a long id: %.300v", err)
	}
}

func FuzzHear(f *testing.F) {
	f.Add([]byte(`{"agent_id":"A","version":"1","os":"linux","arch":"amd64","types":["native"]}`))
	f.Add([]byte(`[{"text":"x","level":4,"id":"w","stream":"stdout","time":"2026-01-02T03:04:05Z","seq":1},{}]`))
	f.Add([]byte(`{"exit":{"code":-1,"signal":"SIGKILL","oom":true}}`))
	f.Add([]byte(`{"pid":7}`))
	f.Add([]byte(`{"error":"no","code":"start_failed"}`))
	f.Add([]byte(`{"error":"no","code":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if h, err := linkhost.HearHandshake("A", body); err == nil && h.AgentID != "A" {
			t.Errorf("handshake of agent %q", h.AgentID)
		}
		records, err := linkhost.HearLogs(body)
		for _, r := range records {
			if err == nil && (r.ID != "" || len(r.Text) > nex.MaxLogLine || len(r.Stream) > 6 || !utf8.ValidString(r.Text)) {
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
