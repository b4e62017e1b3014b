package proctree_test

import (
	"os"
	"testing"

	"github.com/nex-engine/nex/internal/proctree"
)

func TestKillScope(t *testing.T) {
	t.Parallel()
	value := unique(t)
	for _, c := range []struct {
		name string
		// scope names processes, given the root of a tree whose environment is marked.
		scope func(root proctree.Identity) proctree.Scope
		kills bool
	}{
		{"root", func(root proctree.Identity) proctree.Scope { return proctree.Scope{Root: root} }, true},
		{"root of another start time", func(root proctree.Identity) proctree.Scope {
			root.StartTime--
			return proctree.Scope{Root: root}
		}, false},
		{"root of another boot", func(root proctree.Identity) proctree.Scope {
			root.BootID = "00000000-0000-0000-0000-000000000000"
			return proctree.Scope{Root: root}
		}, false},
		{"marker", func(proctree.Identity) proctree.Scope {
			return proctree.Scope{MarkerName: "PROCTREE_MARK", MarkerValue: value + "marker"}
		}, true},
		{"beginning of a marker", func(proctree.Identity) proctree.Scope {
			return proctree.Scope{MarkerName: "PROCTREE_MARK", MarkerValue: value}
		}, false},
		{"nobody", func(proctree.Identity) proctree.Scope { return proctree.Scope{} }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := shell("echo up; sleep 300")
			cmd.Env = append(os.Environ(), "PROCTREE_MARK="+value+c.name)
			tree := start(t, cmd)
			tree.line(t)
			if err := proctree.Kill(t.Context(), c.scope(tree.Root())); err != nil {
				t.Errorf("Kill: %v", err)
			}
			if got := !tree.Root().Running(); got != c.kills {
				t.Errorf("killed = %v, want %v", got, c.kills)
			}
		})
	}
}
