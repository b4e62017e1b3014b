package rootfs_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/rootfs"
)

// Whatever a base has for its /etc/passwd, the users are in it once, before all others, and nobody is lost.
func FuzzPasswd(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n")
	f.Add("nex:x:0:0::/:\r\nnex\nnobody:\n\nworkload:x:0\nroot:")
	f.Add("")
	f.Fuzz(func(t *testing.T, have string) {
		got := string(rootfs.Passwd([]byte(have)))
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		for i, name := range []string{"root", "nex", "workload", "nobody"} {
			if !strings.HasPrefix(lines[i], name+":") || strings.Count("\n"+got, "\n"+name+":") != 1 {
				t.Fatalf("%s is not line %d of\n%s", name, i, got)
			}
		}
		if !strings.HasPrefix(lines[1], "nex:x:1000:1000:") || !strings.HasPrefix(lines[2], "workload:x:1001:1001:") {
			t.Errorf("the users are others than ours:\n%s", got)
		}
		for line := range bytes.Lines([]byte(have)) {
			line := strings.TrimRight(string(line), "\r\n")
			if name, _, _ := strings.Cut(line, ":"); name != "root" && name != "nex" && name != "workload" && name != "nobody" && !strings.Contains(got, line) {
				t.Errorf("%q is lost in\n%s", line, got)
			}
		}
	})
}
