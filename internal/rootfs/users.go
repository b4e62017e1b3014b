package rootfs

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/nex-engine/nex/internal/guest"
)

// entry is a line of /etc/passwd or /etc/group.
type entry struct{ name, rest string }

// users and groups are those that every root file system has.
var (
	users = []entry{
		{"root", "x:0:0:root:/:/bin/false"},
		{"nex", fmt.Sprintf("x:%[1]d:%[1]d:nex:%[2]s:/bin/false", guest.AgentUser, agentHome)},
		{"workload", fmt.Sprintf("x:%[1]d:%[1]d:workload:%[2]s:/bin/false", guest.WorkloadUser, workDir)},
		{"nobody", "x:65534:65534:nobody:/:/bin/false"},
	}
	groups = []entry{
		{"root", "x:0:"},
		{"nex", fmt.Sprintf("x:%d:", guest.AgentUser)},
		{"workload", fmt.Sprintf("x:%d:", guest.WorkloadUser)},
		{"nogroup", "x:65534:"},
	}
)

// withEntries puts entries at the beginning of what a base has, where a number is looked up first. Of root
// and nobody the base knows best; of the others it must not know anything else.
func withEntries(have []byte, entries []entry) []byte {
	old := make(map[string]string)
	var rest []string
	for line := range strings.Lines(string(have)) {
		line = strings.TrimRight(line, "\r\n")
		name, after, _ := strings.Cut(line, ":")
		known := false
		for _, e := range entries {
			known = known || e.name == name
		}
		switch {
		case known && old[name] == "":
			old[name] = after
		case !known && line != "":
			rest = append(rest, line)
		}
	}
	var b bytes.Buffer
	for _, e := range entries {
		text := e.rest
		if old[e.name] != "" && e.name != "nex" && e.name != "workload" {
			text = old[e.name]
		}
		fmt.Fprintf(&b, "%s:%s\n", e.name, text)
	}
	for _, line := range rest {
		b.WriteString(line + "\n")
	}
	return b.Bytes()
}
