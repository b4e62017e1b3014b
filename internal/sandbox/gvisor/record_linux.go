package gvisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nex-engine/nex/internal/proctree"
)

const (
	recordName = "instance.json"
	maxRecord  = 4096
)

// record is what outlives the node: who the processes of a sandbox are.
type record struct {
	ID      string            `json:"id"`
	Runsc   proctree.Identity `json:"runsc"`
	Kernel  proctree.Identity `json:"kernel"`
	Started time.Time         `json:"started"`
}

// record writes the record of the sandbox, whole or not at all.
func (h home) record(runsc, kernel proctree.Identity) error {
	b, err := json.Marshal(record{ID: h.id(), Runsc: runsc, Kernel: kernel, Started: time.Now().UTC()})
	if err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	path := filepath.Join(string(h), recordName)
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	// Not synced: if the machine goes down there is no process for the record to find.
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	return nil
}

// recorded reads the record of the sandbox.
func (h home) recorded() (record, error) {
	f, err := os.Open(filepath.Join(string(h), recordName))
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return record{}, err
	}
	r, err := parseRecord(b)
	if err == nil && r.ID != h.id() {
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
	case !isProcess(r.Runsc) || !isProcess(r.Kernel):
		return record{}, errors.New("it does not name its processes")
	}
	return r, nil
}

func isProcess(id proctree.Identity) bool { return id.PID > 1 && id.StartTime != 0 }
