package workload_test

import (
	"fmt"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/workload"
)

func TestJournal(t *testing.T) {
	tests := []struct {
		name  string
		add   int
		bytes int // of each
		kept  int
	}{
		{"empty", 0, 0, 0},
		{"few", 10, 10, 10},
		{"as many as are kept", 1000, 100, 1000},
		{"too many", 5000, 100, 1000},
		{"too many bytes", 100, 16 << 10, 16},
		{"too many bytes for long", 5000, 16 << 10, 16},
		{"one of all bytes", 3, 256 << 10, 1},
		{"one of too many bytes", 3, 256<<10 + 1, 0},
		{"without text", 5000, 0, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var j workload.Journal
			for i := range tt.add {
				j.Add(nex.LogRecord{Text: strings.Repeat("x", tt.bytes), ID: fmt.Sprint(i)})
			}
			lines := j.Last(nex.MaxLogLines)
			if len(lines) != tt.kept {
				t.Fatalf("%d lines are kept, want %d", len(lines), tt.kept)
			}
			for i, l := range lines {
				if want := fmt.Sprint(tt.add - tt.kept + i); l.ID != want || l.Workload != "name" {
					t.Fatalf("line %d = %s of %s, want %s", i, l.ID, l.Workload, want)
				}
			}
			if tt.kept > 3 {
				last := j.Last(3)
				if len(last) != 3 || last[2].ID != fmt.Sprint(tt.add-1) {
					t.Errorf("last three = %+v", last)
				}
			}
			if n, bytes := j.Size(); n > 2*nex.MaxLogLines+1 || bytes > 256<<10 {
				t.Errorf("the journal holds %d lines and %d bytes", n, bytes)
			}
		})
	}
}
