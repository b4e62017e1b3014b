package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// Files of a snapshot.
const (
	memoryFile = "memory" // what the machine has in its RAM
	stateFile  = "state"  // what it has elsewhere, as QEMU writes it to move a machine
)

// memoryBackend are the arguments for a machine whose RAM is a file. If it is shared, the file is the RAM; otherwise
// it is what the RAM begins with.
func memoryBackend(path string, size int64, shared bool) ([]string, error) {
	b, err := json.Marshal(map[string]any{
		"qom-type": "memory-backend-file", "id": "memory", "mem-path": path, "size": size, "share": shared,
	})
	if err != nil {
		return nil, fmt.Errorf("describe memory: %w", err)
	}
	return []string{"-object", string(b), "-machine", "memory-backend=memory"}, nil
}

// Boot implements [vmm.VMM]. A machine that has no snapshot runs from the start of its process.
func (q *QEMU) Boot(ctx context.Context, m vmm.Machine) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if m.Snapshot == "" {
		return nil
	}
	state, err := os.Open(filepath.Join(m.Snapshot, stateFile))
	if err == nil {
		defer state.Close() // only read
		err = q.move(ctx, m, state, false)
	}
	if err != nil {
		return fmt.Errorf("go on from a snapshot: %w", err)
	}
	return nil
}

// Snapshot implements [vmm.VMM].
func (q *QEMU) Snapshot(ctx context.Context, m vmm.Machine, dir string) error {
	if m.Leaves != dir {
		return errors.New("make a snapshot: the machine was not started to leave one there")
	}
	state, err := os.OpenFile(filepath.Join(dir, stateFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(q.move(ctx, m, state, true), state.Close())
	}
	if err != nil {
		return fmt.Errorf("make a snapshot: %w", err)
	}
	return nil
}

// Forget implements [vmm.VMM].
func (q *QEMU) Forget(dir string) { q.memories.forget(dir) }

// capability is something that QEMU may do when it moves a machine.
type capability struct {
	Name string `json:"capability"`
	On   bool   `json:"state"`
}

// move has QEMU move the machine to the file, or from it.
func (q *QEMU) move(ctx context.Context, m vmm.Machine, state *os.File, outgoing bool) error {
	mon, err := openMonitor(ctx, m.Dir)
	if err != nil {
		return err
	}
	defer mon.close()
	if outgoing {
		if err := mon.run(ctx, "stop", nil); err != nil {
			return err
		}
	}
	// RAM that is a file need not be moved.
	capabilities := []capability{{"x-ignore-shared", true}, {"events", true}}
	if err := mon.run(ctx, "migrate-set-capabilities", map[string]any{"capabilities": capabilities}); err != nil {
		return err
	}
	// Nobody need be told where a machine is that was nowhere else.
	if err := mon.run(ctx, "migrate-set-parameters", map[string]any{"announce-rounds": 0}); err != nil {
		return err
	}
	if err := mon.runWithFile(ctx, "getfd", map[string]any{"fdname": stateFile}, int(state.Fd())); err != nil {
		return err
	}
	how := "migrate-incoming"
	if outgoing {
		how = "migrate"
	}
	if err := mon.run(ctx, how, map[string]any{"uri": "fd:" + stateFile}); err != nil {
		return err
	}
	if err := mon.await(ctx, "MIGRATION", isMoved); err != nil || outgoing {
		return err
	}
	return mon.run(ctx, "cont", nil) // it was left stopped
}

// isMoved reads what QEMU tells of a move.
func isMoved(data json.RawMessage) (bool, error) {
	var event struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return false, fmt.Errorf("%w: %w", errNoMessage, err)
	}
	if event.Status == "failed" || event.Status == "cancelled" {
		return false, errors.New("QEMU cannot move the machine: is the snapshot of another version?")
	}
	return event.Status == "completed", nil
}
