// Package upstate is the note that a running "nex up" leaves in its data directory, so that other
// nex commands on the machine find it without settings.
//
// The note counts only while the data directory is locked: package datadir removes it when the
// directory changes hands, and the system releases the lock of a process that was killed. All
// functions are safe for concurrent use.
package upstate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/atomicfile"
	"github.com/nex-engine/nex/internal/datadir"
)

// State says how to reach a running "nex up".
type State struct {
	// NATSURL is what workloads and other clients connect to.
	NATSURL string `json:"nats_url"`
	// ControlURL is what the control API is reached at from this machine.
	ControlURL string `json:"control_url"`
	// ControlNKey is the path of the file with the control user's seed; empty if the server has no
	// such user, in which case credentials must be given.
	ControlNKey string `json:"control_nkey"`
	NodeID      string `json:"node_id"`
	Sandbox     string `json:"sandbox"`
	DataDir     string `json:"data_dir"`
	PID         int    `json:"pid"`
}

// maxBytes bounds the note: a larger file is not one.
const maxBytes = 64 << 10

// Write leaves the note in dataDir, only readable by its owner. Call it with the directory open;
// closing that removes the note.
func Write(dataDir string, s State) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the state of nex up: %w", err)
	}
	return atomicfile.Write(file(dataDir), append(b, '\n'), 0o600)
}

// Read returns the note in dataDir, also that of a process that was killed. The error is
// fs.ErrNotExist if there is none.
func Read(dataDir string) (*State, error) {
	f, err := os.Open(file(dataDir))
	if err != nil {
		return nil, fmt.Errorf("read the state of nex up: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the state of nex up: %w", err)
	}
	s, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s is malformed: %w", f.Name(), err)
	}
	return s, nil
}

// Decode parses a note. Unknown fields are tolerated; the control URL is not optional.
func Decode(b []byte) (*State, error) {
	if len(b) > maxBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxBytes)
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, err
	}
	if s.ControlURL == "" {
		return nil, errors.New("control_url is missing")
	}
	return &s, nil
}

// Live returns the note in dataDir if the process that left it still runs.
func Live(dataDir string) (*State, bool) {
	s, err := Read(dataDir)
	if err != nil || !datadir.Held(dataDir) {
		return nil, false
	}
	return s, true
}

func file(dataDir string) string { return filepath.Join(dataDir, datadir.HolderFile) }
