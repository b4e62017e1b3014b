package control_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natstest"
)

func TestLogs(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) {
		r.work.lines = []nex.LogLine{{Workload: "echo", LogRecord: nex.LogRecord{
			Text: "hello", Level: 4, ID: "w1", Stream: nex.StreamStderr, Time: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC), Seq: 7,
		}}}
	})
	const want = `{"type":"io.nats.nex.v1.logs_response","data":{"lines":[{"workload":"echo","text":"hello","level":4,"id":"w1",` +
		`"stream":"stderr","time":"2026-05-06T07:08:09Z","seq":7}]},"error":null}`
	r.wantReply(r.ask(r.subject(nex.OpLogs), `{"workload":"w1","lines":7}`), want)
	r.wantReply(r.ask("$NEX.LOGS.other."+r.node, nil), want)
	for i, want := range []logsCall{{namespace, "w1", 7}, {"other", "", nex.DefaultLogLines}} {
		if got := r.work.logs[i]; got != want {
			t.Errorf("asked for %+v, want %+v", got, want)
		}
	}
}

// The lines that are kept can be more than a NATS message holds: the newest of them are answered.
func TestLogsFitIntoMessage(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		strings.Repeat("x", nex.MaxLogLine),
		strings.Repeat("\x01", nex.MaxLogLine/4), // six times as long in JSON
		"short",
	} {
		t.Run(fmt.Sprintf("%.5q", text), func(t *testing.T) {
			t.Parallel()
			r := rigOn(t, natstest.Run(t), func(r *rig) {
				for i := range nex.MaxLogLines {
					r.work.lines = append(r.work.lines, nex.LogLine{LogRecord: nex.LogRecord{Text: text, Seq: uint64(i + 1)}})
				}
			})
			msg := r.ask(r.subject(nex.OpLogs), `{"lines":1000}`)
			var logs nex.LogsResponse
			if err := nex.DecodeReply(nex.LogsResponseType, msg.Data, &logs); err != nil {
				t.Fatal(err)
			}
			got := len(logs.Lines)
			if got == 0 || logs.Lines[got-1].Seq != nex.MaxLogLines || logs.Lines[0].Seq != uint64(nex.MaxLogLines-got+1) {
				t.Fatalf("%d lines, not the newest", got)
			}
			if room := int(r.nc.MaxPayload()) - len(msg.Data); got < nex.MaxLogLines && room > len(msg.Data)/got+2048 {
				t.Errorf("%d lines with room for more: %d bytes", got, room)
			}
			if text == "short" && got != nex.MaxLogLines {
				t.Errorf("%d lines, want all", got)
			}
		})
	}
}
