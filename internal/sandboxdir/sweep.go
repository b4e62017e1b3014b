package sandboxdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nex-engine/nex/internal/proctree"
)

// Sweep ends and removes the sandboxes that an earlier node process left below dir, and returns how many there
// were. Those that are owned are not left; with a nil owned there are none such. The processes of a left one are
// those of its record, and those that have the environment variable marker with its id. Sweep goes on with the
// others when it fails at one, and the error then tells of each. The log is told about records that cannot be
// read.
func Sweep(ctx context.Context, dir, marker string, owned *Owned, log *slog.Logger) (int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for left sandboxes: %w", err)
	}
	var left []string
	var scopes []proctree.Scope
	for _, e := range entries {
		if e.IsDir() && validID(e.Name()) && !owned.Has(e.Name()) {
			left = append(left, filepath.Join(dir, e.Name()))
			scopes = append(scopes, scopesOf(left[len(left)-1], marker, log)...)
		}
	}
	if len(left) == 0 {
		return 0, nil
	}
	together := kill(ctx, scopes)
	swept := 0
	var failed []error
	for _, path := range left {
		err := together
		if err != nil { // one that cannot be ended is no reason to keep the others
			err = kill(ctx, scopesOf(path, marker, log))
		}
		if err == nil { // else who still runs writes to the directory
			err = Remove(path)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("sweep sandbox %s: %w", filepath.Base(path), err))
			continue
		}
		swept++
	}
	return swept, errors.Join(failed...)
}

// sweepTimeout is how long the processes of one sandbox, or at first those of all, may take to end: those that
// cannot be ended must not use up the time for the others.
const sweepTimeout = 5 * time.Second

func kill(ctx context.Context, scopes []proctree.Scope) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	return proctree.Kill(ctx, scopes...)
}

// scopesOf are the processes of the sandbox with the directory.
func scopesOf(path, marker string, log *slog.Logger) []proctree.Scope {
	id := filepath.Base(path)
	// The node can have been killed before it wrote the record; then the marker is all there is.
	scopes := []proctree.Scope{{MarkerName: marker, MarkerValue: id}}
	if r, err := readRecord(path); err == nil {
		scopes[0].Root = r.Process
		for _, other := range r.Others {
			scopes = append(scopes, proctree.Scope{Root: other})
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		log.Warn("the record of a left sandbox cannot be read", "agent", id, "error", err)
	}
	return scopes
}
