package vmm_test

import (
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

func TestCheckBzImage(t *testing.T) {
	t.Parallel()
	head := make([]byte, 0x1000)
	copy(head[0x202:], "HdrS")
	head[0x1f1], head[0x1f5] = 7, 0x10 // 8 sectors, and 4096 times 16 bytes
	const whole = 8*512 + 4096*16
	for size, cut := range map[int64]bool{whole: false, whole + 1: false, whole - 1: true, 0: true} {
		err := vmm.CheckBzImage(head, size)
		if (err != nil) != cut || cut && !strings.Contains(err.Error(), "it is cut") {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	for _, other := range [][]byte{nil, head[:0x205], []byte("\x7fELF")} {
		if err := vmm.CheckBzImage(other, 0); err != nil {
			t.Errorf("of %d bytes: %v", len(other), err)
		}
	}
}
