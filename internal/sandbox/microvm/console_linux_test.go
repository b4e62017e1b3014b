package microvm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
)

func TestConsole(t *testing.T) {
	t.Parallel()
	got := microvm.Sort(
		"[    0.000000] Linux version 6.1.0", "agent says", "[now] agent says too", "", "nex-init: something is odd",
		`no end`+guest.EndedLine+`{"code":-1,"signal":"SIGKILL","oom":true}`, guest.EndedLine+`{"code":3}`, guest.EndedLine+"never",
		guest.EndedLine+`{"code":4711}`, guest.EndedLine+`{"code":-1,"signal":"\u001b[2J"}`,
		guest.DroppedLine+"12", "[    9.999999] reboot: Restarting system",
	)
	for want, lines := range map[string][]string{
		"":                                {"[    9.999999] reboot: Restarting system", "panic"},
		"Kernel panic":                    {"[    1.000000] Kernel panic", "[    1.000001] CPU: 0", "[    9.999999] reboot: Restarting system"},
		guest.EndedLine + `{"code":4711}`: {guest.EndedLine + `{"code":4711}`, "agent says"},
		"nex-init: no disk":               {"[    1.000000] Kernel panic", "nex-init: no", "nex-init: no disk", guest.DroppedLine + "1"},
	} {
		if last := microvm.Sort(lines...).Last; last != want {
			t.Errorf("last words of %q = %q, want %q", lines, last, want)
		}
	}
	if want := []string{"agent says", "[now] agent says too", "", "no end", guest.DroppedLine + "12"}; !slices.Equal(got.Agent, want) {
		t.Errorf("the agent says %q, want %q", got.Agent, want)
	}
	if want := []guest.Exit{{Code: -1, Signal: "SIGKILL", OOM: true}, {Code: 3}}; !slices.Equal(got.Ended, want) {
		t.Errorf("ended: %+v, want %+v", got.Ended, want)
	}
}

func FuzzConsole(f *testing.F) {
	f.Add("[    0.000000] Linux")
	f.Add(guest.EndedLine + `{"code":0}`)
	f.Add("x" + guest.EndedLine + "{")
	f.Fuzz(func(t *testing.T, line string) {
		got := microvm.Sort(line)
		if !strings.Contains(line, guest.EndedLine) && len(got.Ended) > 0 {
			t.Errorf("%q tells of the end", line)
		}
		if len(got.Agent) == 0 && len(got.Ended) == 0 && !strings.HasPrefix(line, "[") && !strings.HasPrefix(line, "<") && got.Last == "" {
			t.Errorf("%q is lost", line)
		}
	})
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte("\x7fELF"), int64(4))
	f.Add([]byte(strings.Repeat("\x53\xef", 1024)), int64(1<<40))
	f.Fuzz(func(t *testing.T, head []byte, size int64) {
		if len(head) < 4 && microvm.IsKernel(head, size) == nil {
			t.Errorf("%q is a kernel", head)
		}
		if len(head) < 2048 && microvm.IsExt4(head, size) == nil {
			t.Errorf("%d bytes are a file system", len(head))
		}
	})
}
