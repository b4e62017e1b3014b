package state_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/state"
)

var key = state.Key([]byte("a secret of the tests"))

// sample is a record in which everything is set.
func sample(id string) state.Record {
	at := time.Date(2026, 11, 21, 20, 15, 0, 123456789, time.UTC)
	return state.Record{
		ID: id, Name: "echo", Namespace: "default", Type: nex.TypeNative, Restart: nex.RestartOnFailure,
		State: nex.StateRunning, Reason: "the program <runs>", AgentID: "agent1", Sandbox: nex.SandboxGVisor,
		Digest: strings.Repeat("ab", 32), Restarts: 3, Accepted: at, Started: at.Add(time.Second),
		Spec: []byte(`{"environment":{"PASSWORD":"hunter2"}}`),
	}
}

func encoded(t testing.TB, r state.Record) []byte {
	t.Helper()
	data, err := state.Encode(r, key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// file is a file of a version with a record as it is given.
func file(version int, record string) []byte {
	return fmt.Appendf(nil, `{"version":%d,"sha256":%q,"record":%s}`, version, state.Checksum(version, []byte(record)), record)
}

func TestFormat(t *testing.T) {
	t.Parallel()
	want := sample("w1")
	data := encoded(t, want)
	got, err := state.Decode(data, "w1", key)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("decode = %+v, %v\nwant %+v", got, err, want)
	}
	for _, secret := range []string{"hunter2", "PASSWORD", "aHVudGVyMg"} {
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("the file has %s in it", secret)
		}
	}
	for _, open := range []string{`"version":1`, `"name":"echo"`, `"restart":"on-failure"`, `"agent":"agent1"`} {
		if !bytes.Contains(data, []byte(open)) {
			t.Errorf("the file lacks %s", open)
		}
	}
	if again := encoded(t, want); bytes.Equal(again, data) {
		t.Error("the same specification is sealed to the same bytes")
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	whole := encoded(t, sample("w1"))
	for name, tt := range map[string]struct {
		data []byte
		id   string
		key  []byte
		want string
	}{
		"nothing":         {nil, "w1", key, "it is empty"},
		"zeros":           {make([]byte, 4096), "w1", key, "it is empty"},
		"nonsense":        {[]byte("nonsense"), "w1", key, "it is no record or a part of one (invalid character 'o' in literal null (expecting 'u'))"},
		"a part":          {whole[:len(whole)/2], "w1", key, "it is no record or a part of one (unexpected end of JSON input)"},
		"null":            {[]byte("null"), "w1", key, "its checksum is that of something else"},
		"another content": {bytes.Replace(whole, []byte("echo"), []byte("evil"), 1), "w1", key, "its checksum is that of something else"},
		"another version": {bytes.Replace(whole, []byte(`"version":1`), []byte(`"version":2`), 1), "w1", key, "its checksum is that of something else"},
		"a newer version": {file(2, `{"any":"thing"}`), "w1", key, "it is of version 2 of the format and this nex knows no later one than 1: upgrade nex"},
		"no version":      {file(0, `{}`), "w1", key, "it is of version 0 of the format, which there never was"},
		"no object":       {file(1, `[]`), "w1", key, "its record is malformed (json: cannot unmarshal array into Go value of type state.stored)"},
		"another id":      {whole, "w2", key, `it is the record of another workload, "w1"`},
		"another key":     {whole, "w1", state.Key([]byte("another")), "its specification was not sealed with this node's key: put the key back into the data directory, or forget the workload with nex node state rm"},
		"nothing sealed":  {file(1, `{"id":"w1"}`), "w1", key, "its specification is missing"},
	} {
		if _, err := state.Decode(tt.data, tt.id, tt.key); err == nil || err.Error() != tt.want {
			t.Errorf("%s: error = %v\nwant %s", name, err, tt.want)
		}
	}
}

// Whatever bit of a file is wrong, and wherever it ends, it is not taken for another record.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	r := sample("w1")
	whole := encoded(t, r)
	for i := range whole {
		for bit := range 8 {
			data := bytes.Clone(whole)
			data[i] ^= 1 << bit
			// The names in JSON may be written in capital letters.
			if got, err := state.Decode(data, "w1", key); err == nil && !reflect.DeepEqual(got, r) {
				t.Fatalf("with bit %d of byte %d wrong it is taken for %+v", bit, i, got)
			}
		}
		if got, err := state.Decode(whole[:i], "w1", key); err == nil && !reflect.DeepEqual(got, r) {
			t.Fatalf("of %d bytes it is taken for %+v", i, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, sample("w1")))
	f.Add(encoded(f, state.Record{ID: "w1"}))
	f.Add(file(1, `{"id":"w1","spec":null}`))
	f.Add(file(7, `{}`))
	f.Add([]byte(`{"version":-1,"record":[[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := state.Decode(data, "w1", key)
		if err != nil {
			return
		}
		if r.ID != "w1" {
			t.Fatalf("took the record of %q", r.ID)
		}
		again, err := state.Decode(encoded(t, r), "w1", key)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%+v is %+v, %v when it is read again", r, again, err)
		}
	})
}
