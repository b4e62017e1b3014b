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
	// maxRecord bounds what is read of a record. The longest have lists of destinations.
	maxRecord = 1 << 20
)

// Record is what outlives the node: who the processes of a sandbox are, by which [Sweep] finds them, and what
// its driver has to know to take it over.
type Record struct {
	ID string `json:"id"` // set by WriteRecord
	// Process is the one that the driver has started.
	Process proctree.Identity `json:"process"`
	// Others are those that would not be found as its descendants.
	Others []proctree.Identity `json:"others,omitempty"`
	// Started is when; WriteRecord sets it if it is zero.
	Started time.Time `json:"started"`
	// Version is that of the Handle: how the driver wrote it. 0 means that there is none, so that the sandbox
	// cannot be taken over.
	Version int `json:"version,omitempty"`
	// Handle is the driver's own, a JSON object: see SetHandle and ReadHandle. It must hold no secret.
	Handle json.RawMessage `json:"handle,omitempty"`
}

// SetHandle sets what the driver keeps for itself, in the form that the version stands for: 1 or more.
func (r *Record) SetHandle(version int, handle any) error {
	b, err := json.Marshal(handle)
	if err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	r.Version, r.Handle = version, b
	return nil
}

// ReadHandle reads the handle, if it is of that version.
func (r *Record) ReadHandle(version int, handle any) error {
	if r.Version != version {
		return fmt.Errorf("the record of sandbox %s is of version %d, not %d, and cannot be used", r.ID, r.Version, version)
	}
	if err := json.Unmarshal(r.Handle, handle); err != nil {
		return fmt.Errorf("read the record of sandbox %s: %w", r.ID, err)
	}
	return nil
}

// processes are all whom the record names.
func (r *Record) processes() []proctree.Identity {
	return append([]proctree.Identity{r.Process}, r.Others...)
}

// RecordFile is the file of the record of the sandbox whose directory is at path.
func RecordFile(path string) string { return filepath.Join(path, recordName) }

// WriteRecord writes the record of the sandbox whose directory is at path, in place of one that is there: whole
// or not at all.
func WriteRecord(path string, r Record) error {
	r.ID = filepath.Base(path)
	if r.Started.IsZero() {
		r.Started = time.Now().UTC()
	}
	b, err := json.Marshal(r)
	if err == nil && len(b) > maxRecord {
		err = fmt.Errorf("it is longer than %d bytes", maxRecord)
	}
	if err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	file := RecordFile(path)
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	// Not synced: if the machine goes down there is no process for the record to find.
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("record sandbox: %w", err)
	}
	return nil
}

// ReadRecord reads the record of the sandbox whose directory is at path. The error is [os.ErrNotExist] if there
// is none: the node was killed before the sandbox was there.
func ReadRecord(path string) (Record, error) {
	r, err := readRecord(path)
	if err != nil {
		return Record{}, fmt.Errorf("read the record of sandbox %s: %w", filepath.Base(path), err)
	}
	return r, nil
}

func readRecord(path string) (Record, error) {
	f, err := os.Open(RecordFile(path))
	if err != nil {
		return Record{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return Record{}, err
	}
	r, err := parseRecord(b)
	if err == nil && r.ID != filepath.Base(path) {
		return Record{}, fmt.Errorf("it is of another sandbox, %q", r.ID)
	}
	return r, err
}

// parseRecord parses a record. What it accepts names processes that may be killed.
func parseRecord(b []byte) (Record, error) {
	var r Record
	switch err := json.Unmarshal(b, &r); {
	case len(b) > maxRecord:
		return Record{}, fmt.Errorf("it is longer than %d bytes", maxRecord)
	case err != nil:
		return Record{}, err
	case !validID(r.ID):
		return Record{}, errors.New("its id is malformed")
	case slices.ContainsFunc(r.processes(), namesNone):
		return Record{}, errors.New("it does not name its processes")
	}
	return r, nil
}

func namesNone(id proctree.Identity) bool { return id.PID <= 1 || id.StartTime == 0 }
