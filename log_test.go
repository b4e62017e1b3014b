package nex_test

import (
	"encoding/json"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
)

func TestLogRecord(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)
	tests := []struct {
		name, json string
		want       nex.LogRecord
	}{
		{"classic", `{"text":"hello","level":0,"id":"w1"}`, nex.LogRecord{Text: "hello", ID: "w1"}},
		{
			"full", `{"text":"","level":-4,"id":"w1","stream":"stderr","time":"2024-05-06T07:08:09.00000001Z","seq":18446744073709551615}`,
			nex.LogRecord{Level: -4, ID: "w1", Stream: nex.StreamStderr, Time: at, Seq: 1<<64 - 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := nex.DecodeLogRecord([]byte(tt.json))
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
			if b, err := json.Marshal(tt.want); err != nil || string(b) != tt.json {
				t.Errorf("JSON = %s, %v, want %s", b, err, tt.json)
			}
		})
	}
	for _, bad := range []string{"", "hello", `{"level":"info"}`, `{"seq":-1}`, `{"time":"yesterday"}`} {
		if got, err := nex.DecodeLogRecord([]byte(bad)); err == nil || got != (nex.LogRecord{}) {
			t.Errorf("%q: got %+v, %v, want an error", bad, got, err)
		}
	}
}

func TestLogLineIsOneObject(t *testing.T) {
	line := nex.LogLine{Workload: "echo", LogRecord: nex.LogRecord{Text: "hello", ID: "w1"}}
	const want = `{"workload":"echo","text":"hello","level":0,"id":"w1"}`
	if b, err := json.Marshal(line); err != nil || string(b) != want {
		t.Errorf("JSON = %s, %v, want %s", b, err, want)
	}
}
