package sandboxdir_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

func TestRecordIsReadBack(t *testing.T) {
	t.Parallel()
	process, other := proctree.Identity{PID: 77, StartTime: 5, BootID: "b"}, proctree.Identity{PID: 78, StartTime: 6, BootID: "b"}
	for _, others := range [][]proctree.Identity{nil, {other}} {
		path := makeDir(t, t.TempDir(), "agent1")
		if err := sandboxdir.WriteRecord(path, sandboxdir.Record{Process: process, Others: others}); err != nil {
			t.Fatal(err)
		}
		r, err := sandboxdir.ReadRecord(path)
		if err != nil || r.Process != process || !slices.Equal(r.Others, others) || r.ID != "agent1" || r.Started.IsZero() {
			t.Errorf("record = %+v, %v, want %+v and %+v of agent1", r, err, process, others)
		}
		entries, err := os.ReadDir(path)
		if err != nil || len(entries) != 1 || entries[0].Name() != "instance.json" {
			t.Errorf("files = %v, %v, want the record alone", entries, err)
		}
	}
}

func TestHandle(t *testing.T) {
	t.Parallel()
	type handle struct{ Name string }
	path := makeDir(t, t.TempDir(), "agent1")
	r := sandboxdir.Record{Process: proctree.Identity{PID: 77, StartTime: 5}, Started: time.Unix(1, 0).UTC()}
	if err := r.SetHandle(3, handle{"kept"}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is replaced
		if err := sandboxdir.WriteRecord(path, r); err != nil {
			t.Fatal(err)
		}
	}
	read, err := sandboxdir.ReadRecord(path)
	if err != nil || !read.Started.Equal(r.Started) {
		t.Fatalf("record = %+v, %v, want %+v", read, err, r)
	}
	var got handle
	if err := read.ReadHandle(3, &got); err != nil || got.Name != "kept" {
		t.Errorf("handle = %+v, %v", got, err)
	}
	for _, other := range []int{0, 2, 4} {
		if err := read.ReadHandle(other, &got); err == nil {
			t.Errorf("a handle of version 3 is read as one of version %d", other)
		}
	}
	read.Handle = []byte(`{"Name":7}`)
	if err := read.ReadHandle(3, &got); err == nil {
		t.Error("a handle of another form is read")
	}
	if err := r.SetHandle(3, func() {}); err == nil {
		t.Error("a handle is kept that cannot be")
	}
	if err := r.SetHandle(3, strings.Repeat("x", 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := sandboxdir.WriteRecord(path, r); err == nil {
		t.Error("a record is written that is too long to be read")
	}
	if _, err := sandboxdir.ReadRecord(path); err != nil {
		t.Errorf("the record before it: %v", err)
	}
	if _, err := sandboxdir.ReadRecord(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ReadRecord of none = %v, want %v", err, os.ErrNotExist)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"id":"a1","process":{"pid":77,"start_time":5,"boot_id":"b"},"started":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"id":"a1","process":{"pid":77,"start_time":5},"others":[{"pid":78,"start_time":5}]}`))
	f.Add([]byte(`{"id":"a1","process":{"pid":77,"start_time":5},"version":1,"handle":{"limits":{"PIDs":3}}}`))
	f.Add([]byte(`{"id":"..","process":{"pid":77,"start_time":5}}`))
	f.Add([]byte(`{"id":"a","process":{"pid":-1,"start_time":5}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := sandboxdir.ParseRecord(b)
		if err != nil {
			return
		}
		if sandboxdir.CheckID(r.ID) != nil {
			t.Errorf("record %+v is accepted", r)
		}
		for _, id := range append(r.Others, r.Process) {
			if id.PID <= 1 || id.StartTime == 0 {
				t.Errorf("record %+v is accepted", r)
			}
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := sandboxdir.ParseRecord(again)
		if err == nil && (back.Process != r.Process || !slices.Equal(back.Others, r.Others) || back.Version != r.Version) {
			t.Errorf("record %+v is read back as %+v", r, back)
		}
	})
}
