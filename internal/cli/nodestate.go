package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/datadir"
	"github.com/nex-engine/nex/internal/keyfile"
	"github.com/nex-engine/nex/internal/state"
)

type stateCommands struct {
	Ls     stateLsCommand     `cmd:"" help:"List the workloads that a node of this machine knows after a restart."`
	Rm     stateRmCommand     `cmd:"" help:"Make a node of this machine that is down forget workloads."`
	Repair stateRepairCommand `cmd:"" help:"Repair what a node of this machine that is down knows."`
}

type stateLsCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists what is kept. It changes nothing, and may run beside the node.
func (c *stateLsCommand) Run(s *session) error {
	dataDir, err := s.existingDataDir()
	if err != nil {
		return err
	}
	entries, damaged, err := state.Read(state.Dir(dataDir))
	if err != nil {
		return err
	}
	if c.JSON {
		return s.printJSON(render.StateList{Workloads: notNil(entries), Damaged: notNil(damaged)})
	}
	if len(entries)+len(damaged) == 0 {
		s.say("No workload is kept in %s", dataDir)
		return nil
	}
	for _, e := range entries {
		if e.Warning != "" {
			s.say("%s: %s", e.ID, e.Warning)
		}
	}
	for _, d := range damaged {
		s.say("%s: %s cannot be used: %s", d.ID, d.File, d.Reason)
	}
	return render.State(s.Out, s.style(), entries, damaged)
}

type stateRmCommand struct {
	ID   []string `arg:"" name:"id" help:"Id of a workload, as nex node state ls shows it."`
	JSON bool     `name:"json" help:"Print JSON."`
}

// Run removes all of the workloads, or none if one is not known.
func (c *stateRmCommand) Run(s *session) error {
	dataDir, unlock, err := s.lockState()
	if err != nil {
		return err
	}
	defer unlock()
	dir := state.Dir(dataDir)
	if err := knows(dir, c.ID); err != nil {
		return err
	}
	removed := []string{}
	for _, id := range c.ID {
		was, err := state.Remove(dir, id)
		if err != nil {
			return err
		}
		if !was { // it was named twice
			continue
		}
		removed = append(removed, id)
		if !c.JSON {
			if err := s.print("Removed workload %s: it does not start again", id); err != nil {
				return err
			}
		}
	}
	s.say("What of it still runs is ended when the node starts again")
	if c.JSON {
		return s.printJSON(map[string][]string{"removed": removed})
	}
	return nil
}

// knows fails if there is nothing of one of the workloads.
func knows(dir string, ids []string) error {
	entries, damaged, err := state.Read(dir)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(entries, func(e state.Entry) bool { return e.ID == id }) &&
			!slices.ContainsFunc(damaged, func(d state.Damaged) bool { return d.ID == id }) {
			return fmt.Errorf("there is no workload %s in %s, so that nothing was removed: see nex node state ls", render.Text(id), dir)
		}
	}
	return nil
}

type stateRepairCommand struct {
	RemoveDamaged bool `help:"Remove what cannot be repaired, for good."`
	JSON          bool `name:"json" help:"Print JSON."`
}

// Run repairs what it can, and says what it did.
func (c *stateRepairCommand) Run(s *session) error {
	dataDir, unlock, err := s.lockState()
	if err != nil {
		return err
	}
	defer unlock()
	key, err := s.stateKey(dataDir)
	if err != nil {
		return err
	}
	dir := state.Dir(dataDir)
	report := render.StateReport{Removed: []string{}}
	if report.Report, err = state.Repair(dir, key); err != nil {
		return err
	}
	if c.RemoveDamaged {
		removed, err := state.RemoveDamaged(dir)
		if err != nil {
			return err
		}
		report.Removed = append(report.Removed, removed...)
	}
	if _, report.Damaged, err = state.Read(dir); err != nil { // with what was moved away before
		return err
	}
	report.Damaged = notNil(report.Damaged)
	if c.JSON {
		err = s.printJSON(report)
	} else {
		err = render.Repair(s.Out, report)
	}
	if len(report.Damaged) > 0 {
		s.say("What is damaged does not keep a node from starting; --remove-damaged removes it")
	}
	return errors.Join(append(report.Failed, err)...)
}

// stateKey is what the node of the data directory seals with; nil if it has no key yet.
func (s *session) stateKey(dataDir string) ([]byte, error) {
	path := filepath.Join(dataDir, "node.nk")
	id, err := keyfile.Load(path, keyfile.Server)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.say("The node's key %s is missing: whether a node can open what is sealed was not looked at", path)
		return nil, nil
	case err != nil:
		return nil, err
	}
	seed, err := id.Seed()
	if err != nil {
		return nil, err
	}
	return state.Key(seed), nil
}

// existingDataDir is the data directory, which must be there.
func (s *session) existingDataDir() (string, error) {
	path, err := s.dataDir()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no data directory %s: name the one of the node with --data-dir", path)
	}
	return path, nil
}

// lockState locks the data directory, so that no node starts while its state is changed.
func (s *session) lockState() (dataDir string, unlock func(), err error) {
	path, err := s.existingDataDir()
	if err != nil {
		return "", nil, err
	}
	if datadir.Held(path) {
		return "", nil, fmt.Errorf("a node runs on the data directory %s: stop it first, for what it knows of its workloads can be changed only while it is down", path)
	}
	dir, err := datadir.Open(path)
	if err != nil {
		return "", nil, err
	}
	return dir.Path(), func() { _ = dir.Close() }, nil
}

// notNil makes JSON show an empty list as one.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
