package firstboot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/rootfs/firstboot"
)

func TestConsole(t *testing.T) {
	ended := func(exit string) string {
		return "nex-init: script ended: " + exit + "\r\n[    8.8] reboot: Restarting system\r\n"
	}
	for name, c := range map[string]struct {
		pieces      []string
		shown, fail string
	}{
		"lines":          {[]string{"one\r\ntw", "o\r\n", ended(`{"code":0}`)}, "one\ntwo\n", "<nil>"},
		"no end":         {[]string{"one", ended(`{"code":0}`)}, "one\n", "<nil>"},
		"status":         {[]string{ended(`{"code":3}`)}, "", "exit status 3"},
		"signal":         {[]string{ended(`{"code":-1,"signal":"SIGSEGV"}`)}, "", "ended by SIGSEGV"},
		"memory":         {[]string{ended(`{"code":-1,"signal":"SIGKILL","oom":true}`)}, "", "more memory"},
		"complaint":      {[]string{"one\r\nnex-init: the disk is bad\r\n[   14.098007] reboot: Restarting system\r\n"}, "one\n", "the disk is bad"},
		"panic":          {[]string{"[    1.000000] Kernel panic - not syncing\r\n"}, "[    1.000000] Kernel panic - not syncing\n", "has ended before it"},
		"silence":        {nil, "", "has ended before it"},
		"what is no end": {[]string{"nex-init: script ended: whatever\r\n"}, "", "script ended: whatever"},
		"no way to end":  {[]string{`nex-init: script ended: {"code":0,"signal":"\u001b[2J"}` + "\r\n"}, "", "script ended: "},
		"a long line":    {[]string{strings.Repeat("x", 100_000) + "\r\n", ended(`{"code":0}`)}, strings.Repeat("x", 100_000) + "\n", "<nil>"},
	} {
		var shown strings.Builder
		err := firstboot.Shown(&shown, c.pieces...)
		if shown.String() != c.shown {
			t.Errorf("%s: shown %.100q, want %.100q", name, shown.String(), c.shown)
		}
		if !strings.Contains(fmt.Sprint(err), c.fail) {
			t.Errorf("%s: error = %v, want %q", name, err, c.fail)
		}
	}
}

// Whatever a script prints, it is shown but for lines of the init and the kernel, and takes no more memory than a line.
func FuzzConsole(f *testing.F) {
	f.Add("one\r\ntwo\nnex-init: script ended: {\"code\":0}\r\n")
	f.Add("nex-init: script ended: {\"code\":1e99}\nnex-init: x\n[ 1.1] reboot: x\n\r\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		var whole, pieces strings.Builder
		first := firstboot.Shown(&whole, said)
		second := firstboot.Shown(&pieces, strings.SplitAfter(said, "")...)
		if whole.String() != pieces.String() || fmt.Sprint(first) != fmt.Sprint(second) {
			t.Errorf("in pieces it is %q, %v, and whole %q, %v", pieces.String(), second, whole.String(), first)
		}
	})
}
