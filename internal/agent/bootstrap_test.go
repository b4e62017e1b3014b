package agent_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/agent"
	"github.com/nex-engine/nex/internal/agentlink"
)

const goodBootstrap = `{"agent_id":"a1","url":"nats://127.0.0.1:1","seed":"SU","link_dir":"/link","token":"ABCDEFGHIJKLMNOPQRSTUVWXYZ","later":true}`

func TestReadBootstrap(t *testing.T) {
	want := agentlink.Bootstrap{AgentID: "a1", URL: "nats://127.0.0.1:1", Seed: "SU", LinkDir: "/link", Token: "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
	got, err := agent.ReadBootstrap(strings.NewReader(goodBootstrap))
	if err != nil || got != want {
		t.Errorf("ReadBootstrap = %+v, %v, want %+v", got, err, want)
	}
}

// The document ends where it ends: whoever wrote it need not close the stream.
func TestReadBootstrapOpenStream(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go w.Write([]byte(goodBootstrap))
	if _, err := agent.ReadBootstrap(r); err != nil {
		t.Errorf("ReadBootstrap: %v", err)
	}
}

func TestReadBootstrapRefuses(t *testing.T) {
	tests := []struct {
		name string
		in   string
		says string
	}{
		{"nothing", "", "started by a node"},
		{"no json", "hello", "read bootstrap document"},
		{"cut off", goodBootstrap[:20], "read bootstrap document"},
		{"no id", `{"url":"u","seed":"s"}`, "agent_id"},
		{"id with a dot", `{"agent_id":"a.b","url":"u","seed":"s"}`, "agent_id"},
		{"id with a wildcard", `{"agent_id":">","url":"u","seed":"s"}`, "agent_id"},
		{"long id", `{"agent_id":"` + strings.Repeat("a", 33) + `","url":"u","seed":"s"}`, "agent_id"},
		{"no directory", strings.Replace(goodBootstrap, "link_dir", "dir", 1), "link_dir"},
		{"short token", strings.Replace(goodBootstrap, "XYZ", "", 1), "token"},
		{"no seed", strings.Replace(goodBootstrap, "seed", "seat", 1), "seed"},
		{"too large", `{"agent_id":"` + strings.Repeat("a", 1<<20) + `"}`, "read bootstrap document"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := agent.ReadBootstrap(strings.NewReader(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("ReadBootstrap = %+v, %v, want an error that mentions %q", b, err, tt.says)
			}
		})
	}
}

func FuzzBootstrap(f *testing.F) {
	for _, seed := range []string{goodBootstrap, "", "{}", `{"agent_id":">"}`, `{"agent_id":1}`, "[[[["} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := agent.ReadBootstrap(bytes.NewReader(in))
		if err != nil {
			return
		}
		if b.LinkDir == "" || b.Token == "" || b.Seed == "" || b.AgentID == "" || strings.ContainsAny(b.AgentID, ".*> \t\r\n") {
			t.Errorf("ReadBootstrap accepts %+v", b)
		}
		again, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := agent.ReadBootstrap(bytes.NewReader(again)); err != nil || got != b {
			t.Errorf("ReadBootstrap of %s = %+v, %v", again, got, err)
		}
	})
}
