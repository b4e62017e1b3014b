package sandboxdir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nex-engine/nex/internal/proctree"
)

const (
	recordName = "instance.json"
	maxRecord  = 4096
)

// record is what outlives the node: who the processes of a sandbox are.
type record struct {
	ID      string              `json:"id"`
	Process proctree.Identity   `json:"process"` // that the driver has started
	Others  []proctree.Identity `json:"others,omitempty"`
	Started time.Time           `json:"started"`
}

// processes are all whom the record names.
func (r record) processes() []proctree.Identity {
	return append([]proctree.Identity{r.Process}, r.Others...)
}

// WriteRecord writes down who the processes of a sandbox are, whole or not at all: the one that the driver has
// started, and others that would not be found as its descendants. The path is that of its directory.
func WriteRecord(path string, process proctree.Identity, others ...proctree.Identity) error {
	b, err := json.Marshal(record{ID: filepath.Base(path), Process: process, Others: others, Started: time.Now().UTC()})
	if err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	file := filepath.Join(path, recordName)
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	// Not synced: if the machine goes down there is no process for the record to find.
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	return nil
}

// readRecord reads the record of a sandbox.
func readRecord(path string) (record, error) {
	f, err := os.Open(filepath.Join(path, recordName))
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return record{}, err
	}
	r, err := parseRecord(b)
	if err == nil && r.ID != filepath.Base(path) {
		return record{}, fmt.Errorf("it is of another sandbox, %q", r.ID)
	}
	return r, err
}

// parseRecord parses a record. What it accepts names processes that may be killed.
func parseRecord(b []byte) (record, error) {
	var r record
	switch err := json.Unmarshal(b, &r); {
	case len(b) > maxRecord:
		return record{}, fmt.Errorf("it is longer than %d bytes", maxRecord)
	case err != nil:
		return record{}, err
	case !validID(r.ID):
		return record{}, errors.New("its id is malformed")
	case slices.ContainsFunc(r.processes(), namesNone):
		return record{}, errors.New("it does not name its processes")
	}
	return r, nil
}

func namesNone(id proctree.Identity) bool { return id.PID <= 1 || id.StartTime == 0 }
