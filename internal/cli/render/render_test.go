package render_test

import (
	"math"
	"testing"

	"github.com/nex-engine/nex/internal/cli/render"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1 << 10: "1.0 KiB", 3482: "3.4 KiB", 10 << 10: "10 KiB",
		1<<20 - 1: "1.0 MiB", 45 << 20: "45 MiB", 3 << 30: "3.0 GiB", 1 << 50: "1024 TiB",
		math.MaxInt64: "8388608 TiB", -1: "-1 B",
	} {
		if got := render.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
