package proctree_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/nex-engine/nex/internal/proctree"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	self, err := proctree.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(self)
	if err != nil {
		t.Fatal(err)
	}
	var read proctree.Identity
	if err := json.Unmarshal(stored, &read); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		id   proctree.Identity
		want bool
	}{
		{"itself", read, true},
		{"another with its number", proctree.Identity{PID: self.PID, StartTime: self.StartTime + 1, BootID: self.BootID}, false},
		{"before the machine was restarted", proctree.Identity{PID: self.PID, StartTime: self.StartTime, BootID: "other"}, false},
		{"nobody", proctree.Identity{}, false},
	} {
		if got := c.id.Running(); got != c.want {
			t.Errorf("%s: Running = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestIdentifyNobody(t *testing.T) {
	t.Parallel()
	// No system gives out numbers as high.
	if _, err := proctree.Identify(1<<31 - 2); !errors.Is(err, proctree.ErrNotFound) {
		t.Errorf("Identify = %v, want %v", err, proctree.ErrNotFound)
	}
}
