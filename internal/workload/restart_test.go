package workload_test

import (
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/workload"
)

func TestWaitBeforeARestart(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	tests := []struct {
		name   string
		policy workload.Restart
		ran    []time.Duration
		want   []time.Duration // the longest of each; the least is four fifths of it
	}{
		{"defaults", workload.Restart{}, make([]time.Duration, 12), []time.Duration{
			100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 30 * s, 30 * s, 30 * s,
		}},
		{"anew after a healthy run", workload.Restart{}, []time.Duration{0, s, 59 * s, 60 * s, 0, time.Hour}, []time.Duration{
			100 * ms, 200 * ms, 400 * ms, 100 * ms, 200 * ms, 100 * ms,
		}},
		{"own bounds", workload.Restart{First: s, Most: 3 * s, Healthy: 10 * s}, []time.Duration{0, 0, 0, 9 * s, 10 * s}, []time.Duration{
			s, 2 * s, 3 * s, 3 * s, s,
		}},
		{"first above most", workload.Restart{First: time.Minute, Most: s}, make([]time.Duration, 2), []time.Duration{s, s}},
		{"very long", workload.Restart{First: 1000 * time.Hour, Most: 1 << 61}, make([]time.Duration, 3), []time.Duration{1000 * time.Hour, 2000 * time.Hour, 4000 * time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			least, most := make([]time.Duration, len(tt.ran)), make([]time.Duration, len(tt.ran))
			for range 300 {
				streak := workload.NewStreak(tt.policy)
				for i, ran := range tt.ran {
					wait, again := streak.Next(ran)
					if !again {
						t.Fatalf("given up after %d runs", i+1)
					}
					if wait > tt.want[i] || wait < tt.want[i]*4/5 {
						t.Fatalf("wait %d = %s, want at most a fifth less than %s", i, wait, tt.want[i])
					}
					if least[i] == 0 || wait < least[i] {
						least[i] = wait
					}
					most[i] = max(most[i], wait)
				}
			}
			// Three hundred waits lie across most of the fifth.
			for i, want := range tt.want {
				if most[i]-least[i] < want/10 {
					t.Errorf("waits %d are from %s to %s, want more of a difference", i, least[i], most[i])
				}
			}
		})
	}
}

func TestMaxStarts(t *testing.T) {
	long := 2 * time.Minute
	tests := []struct {
		name string
		most int
		ran  []time.Duration
		want []bool // whether it is started again
	}{
		{"one", 1, []time.Duration{0}, []bool{false}},
		{"three", 3, []time.Duration{0, 0, 0}, []bool{true, true, false}},
		{"anew after a healthy run", 3, []time.Duration{0, 0, long, 0, 0}, []bool{true, true, true, true, false}},
		{"one, healthy", 1, []time.Duration{long}, []bool{false}},
		{"no end", 0, make([]time.Duration, 3), []bool{true, true, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			streak := workload.NewStreak(workload.Restart{MaxStarts: tt.most})
			for i, ran := range tt.ran {
				if _, again := streak.Next(ran); again != tt.want[i] {
					t.Errorf("after run %d: again = %t, want %t", i+1, again, tt.want[i])
				}
			}
		})
	}
	streak := workload.NewStreak(workload.Restart{})
	for i := range 100_000 {
		if wait, again := streak.Next(0); !again || wait <= 0 || wait > 30*time.Second {
			t.Fatalf("after run %d: %s, %t", i, wait, again)
		}
	}
}
