package hostinfo_test

import (
	"runtime"
	"testing"

	"github.com/nex-engine/nex/internal/hostinfo"
)

func TestMemory(t *testing.T) {
	m := hostinfo.Memory()
	if m == nil {
		if runtime.GOOS == "linux" || runtime.GOOS == "darwin" {
			t.Fatalf("%s does not tell its memory", runtime.GOOS)
		}
		return
	}
	if m.Total < 16<<10 { // kB; less than 16 MiB would be another unit
		t.Errorf("total = %d kB", m.Total)
	}
	if m.Free < 0 || m.Free > m.Total || m.Available < 0 || m.Available > m.Total {
		t.Errorf("free %d, available %d of %d kB", m.Free, m.Available, m.Total)
	}
	if runtime.GOOS == "linux" && m.Available == 0 {
		t.Error("no memory is available, and yet this test runs")
	}
}
