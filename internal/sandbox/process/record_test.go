package process

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/proctree"
)

func TestRecordIsReadBack(t *testing.T) {
	t.Parallel()
	h, err := makeHome(t.TempDir(), "agent1")
	if err != nil {
		t.Fatal(err)
	}
	want := proctree.Identity{PID: 77, StartTime: 5, BootID: "b"}
	if err := h.record(want); err != nil {
		t.Fatal(err)
	}
	r, err := h.recorded()
	if err != nil || r.Process != want || r.ID != "agent1" || r.Started.IsZero() {
		t.Errorf("record = %+v, %v, want %+v of agent1", r, err, want)
	}
	entries, err := filepath.Glob(filepath.Join(string(h), recordName+"*"))
	if err != nil || len(entries) != 1 {
		t.Errorf("files = %q, %v, want the record alone", entries, err)
	}
}

func TestRemoveOfClosedDirectories(t *testing.T) {
	t.Parallel()
	h, err := makeHome(t.TempDir(), "agent1")
	if err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(h.work(), "a", "b")
	if err := os.MkdirAll(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{closed, filepath.Dir(closed)} {
		if err := os.Chmod(d, 0); err != nil {
			t.Fatal(err)
		}
	}
	// The superuser can remove them anyway, so look at what makes the others able to.
	h.openUp()
	if info, err := os.Stat(closed); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("permissions = %v, %v, want 0700", info, err)
	}
	if err := h.remove(); err != nil {
		t.Error(err)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"id":"a1","process":{"pid":77,"start_time":5,"boot_id":"b"},"started":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"id":"..","process":{"pid":77,"start_time":5}}`))
	f.Add([]byte(`{"id":"a","process":{"pid":-1,"start_time":5}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		if !validID(r.ID) || r.Process.PID <= 1 {
			t.Errorf("record %+v is accepted", r)
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseRecord(again); err == nil && back.Process != r.Process {
			t.Errorf("record %+v is read back as %+v", r, back)
		}
	})
}
