package upstate_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/datadir"
	"github.com/nex-engine/nex/internal/upstate"
)

var sample = upstate.State{
	NATSURL:     "nats://127.0.0.1:4222",
	ControlURL:  "nats://127.0.0.1:4222",
	ControlNKey: "/data/control.nk",
	NodeID:      "N1",
	Sandbox:     "gvisor",
	DataDir:     "/data",
	PID:         42,
}

const sampleJSON = `{
  "nats_url": "nats://127.0.0.1:4222",
  "control_url": "nats://127.0.0.1:4222",
  "control_nkey": "/data/control.nk",
  "node_id": "N1",
  "sandbox": "gvisor",
  "data_dir": "/data",
  "pid": 42
}
`

func TestWriteThenRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := upstate.Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read before write: %v, want fs.ErrNotExist", err)
	}
	if err := upstate.Write(dir, sample); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "up.json")
	got, err := os.ReadFile(path)
	if err != nil || string(got) != sampleJSON {
		t.Errorf("file = %s, %v; want %s", got, err, sampleJSON)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", info.Mode().Perm())
	}
	s, err := upstate.Read(dir)
	if err != nil || *s != sample {
		t.Errorf("read = %+v, %v; want %+v", s, err, sample)
	}
}

func TestLiveFollowsLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	live := func(when string, want bool) {
		t.Helper()
		if s, ok := upstate.Live(dir); ok != want || (s != nil) != want {
			t.Errorf("%s: live = %v, %v; want %v", when, s, ok, want)
		}
	}
	live("empty directory", false)
	if err := upstate.Write(dir, sample); err != nil {
		t.Fatal(err)
	}
	live("note of a process that was killed", false)
	d, err := datadir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	live("held by a process that is no nex up", false)
	if err := upstate.Write(dir, sample); err != nil {
		t.Fatal(err)
	}
	live("running", true)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	live("after the end", false)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, wantErr string
	}{
		{"all fields", sampleJSON, ""},
		{"unknown field", `{"control_url":"u","future":1}`, ""},
		{"not JSON", `{`, "unexpected end"},
		{"wrong type", `{"control_url":"u","pid":"x"}`, "pid"},
		{"no control URL", `{"nats_url":"u"}`, "control_url is missing"},
		{"too large", strings.Repeat(" ", 65<<10), "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := upstate.Decode([]byte(tt.body))
			if tt.wantErr == "" {
				if err != nil || s.ControlURL == "" {
					t.Errorf("decode = %+v, %v", s, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error = %v, want %q", err, tt.wantErr)
			}
		})
	}
}

func TestReadMalformedNamesFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "up.json")
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := upstate.Read(dir); err == nil || !strings.Contains(err.Error(), path+" is malformed") {
		t.Errorf("error = %v, want one that names %s", err, path)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(sampleJSON))
	f.Add([]byte(`{"control_url":"u","pid":-1}`))
	f.Add([]byte(`[]`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := upstate.Decode(body)
		if (s == nil) == (err == nil) {
			t.Fatalf("decode = %v, %v", s, err)
		}
		if s != nil && s.ControlURL == "" {
			t.Fatal("accepted a note without a control URL")
		}
	})
}
