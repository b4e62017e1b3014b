package gvisor

import (
	"encoding/json"
	"testing"

	"github.com/nex-engine/nex/internal/proctree"
)

func TestRecordIsReadBack(t *testing.T) {
	t.Parallel()
	h, err := makeHome(t.TempDir(), "agent1")
	if err != nil {
		t.Fatal(err)
	}
	runsc, kernel := proctree.Identity{PID: 77, StartTime: 5, BootID: "b"}, proctree.Identity{PID: 78, StartTime: 6, BootID: "b"}
	if err := h.record(runsc, kernel); err != nil {
		t.Fatal(err)
	}
	r, err := h.recorded()
	if err != nil || r.Runsc != runsc || r.Kernel != kernel || r.ID != "agent1" || r.Started.IsZero() {
		t.Errorf("record = %+v, %v, want %+v and %+v of agent1", r, err, runsc, kernel)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"id":"a1","runsc":{"pid":77,"start_time":5,"boot_id":"b"},"kernel":{"pid":78,"start_time":5},"started":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"id":"..","runsc":{"pid":77,"start_time":5},"kernel":{"pid":77,"start_time":5}}`))
	f.Add([]byte(`{"id":"a","runsc":{"pid":-1,"start_time":5},"kernel":{"pid":1,"start_time":5}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		if !validID(r.ID) || r.Runsc.PID <= 1 || r.Kernel.PID <= 1 {
			t.Errorf("record %+v is accepted", r)
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseRecord(again); err == nil && (back.Runsc != r.Runsc || back.Kernel != r.Kernel) {
			t.Errorf("record %+v is read back as %+v", r, back)
		}
	})
}
