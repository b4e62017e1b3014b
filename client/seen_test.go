package client_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// A node publishes again what was on its way when an outage began: who follows sees each line once, and
// each line that there is.
func TestFollowLogsOnce(t *testing.T) {
	t.Parallel()
	const far = client.RememberedLines
	tests := []struct {
		name string
		come []nex.LogRecord
		seen []int // which of them
	}{
		{"again", lines("r1", 1, 2, 3, 1, 2, 3, 4), []int{0, 1, 2, 6}},
		{"with a gap", lines("r1", 1, 5, 6, 5, 6, 7), []int{0, 1, 2, 5}},
		{"one overtakes", lines("r1", 1, 4, 2, 3, 4, 5), []int{0, 1, 2, 3, 5}},
		{"another run", append(lines("r1", 1, 2), lines("r2", 1, 2, 2)...), []int{0, 1, 2, 3}},
		{"without a run", lines("", 1, 1), []int{0, 1}},
		{"without a number", lines("r1", 0, 0), []int{0, 1}},
		{"long after", lines("r1", 1, far+1, far, 1, 2, 2*far+1, far+1, far+2, far+2), []int{0, 1, 2, 4, 5, 7}},
		{"a large gap", lines("r1", 1, 1000*far, 1000*far, 1000*far-1, 1), []int{0, 1, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, client.Config{})
			w := r.watch(func(ctx context.Context, ready func(), see func(string)) error {
				return r.client.FollowLogs(ctx, client.LogFilter{}, ready, func(_ nex.LogSource, l nex.LogRecord) { see(l.Text) })
			})
			var want []string
			for i, line := range append(tt.come, nex.LogRecord{}) {
				line.Text = fmt.Sprint(i)
				r.publish(nex.LogSubject("default", nodeA, "echo", "w1"), line)
				if i == len(tt.come) || slices.Contains(tt.seen, i) {
					want = append(want, line.Text)
				}
			}
			var got []string
			for range want {
				got = append(got, receive(t, w.seen))
			}
			if got = append(got, w.end()...); !slices.Equal(got, want) {
				t.Errorf("lines %v were seen, want %v", got, want)
			}
		})
	}
}

// lines are lines of a run with these numbers.
func lines(run string, numbers ...uint64) []nex.LogRecord {
	list := make([]nex.LogRecord, len(numbers))
	for i, n := range numbers {
		list[i] = nex.LogRecord{Run: run, Seq: n}
	}
	return list
}

// What is remembered is bounded: a run long ago is as new.
func TestFollowLogsOfManyRuns(t *testing.T) {
	t.Parallel()
	first := client.NewSeenLines()
	for round, want := range []bool{true, true} {
		for i := range 3 * client.RememberedRuns {
			if got := first(nex.LogRecord{Run: fmt.Sprint(i), Seq: 1}); got != want {
				t.Fatalf("round %d: line of run %d: first = %t", round, i, got)
			}
		}
	}
	if first(nex.LogRecord{Run: fmt.Sprint(3*client.RememberedRuns - 1), Seq: 1}) {
		t.Error("a line of a recent run came again and was not known")
	}
}

func TestWatchEventsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	w := r.watch(func(ctx context.Context, ready func(), see func(string)) error {
		return r.client.WatchEvents(ctx, client.EventFilter{}, ready, func(e nex.Event) { see(e.ID) })
	})
	for _, id := range []string{"1", "2", "1", "2", "3"} {
		e, err := nex.NewEvent(id, nodeA, "default", nex.EventHeartbeat, time.Now(), nex.Heartbeat{})
		if err != nil {
			t.Fatal(err)
		}
		r.publish(nex.EventSubject("default", nex.EventHeartbeat), e)
	}
	var got []string
	for range 3 {
		got = append(got, receive(t, w.seen))
	}
	if got = append(got, w.end()...); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("events %v were seen, want each once", got)
	}
}
