package state

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"
	"slices"
	"sync"

	nex "github.com/nex-engine/nex"
)

// Config is what a Store is opened with.
type Config struct {
	// Dir is where the records are: see [Dir]. It is made if it is missing. The caller has locked the data
	// directory around it.
	Dir string
	// Key has 32 bytes and seals the specifications: see [Key].
	Key []byte
	// Logger is told of damage that could be repaired. Required.
	Logger *slog.Logger
}

// Store keeps records. Its methods are safe for concurrent use; of two calls for the same id that
// are under way at one time either may be the later.
type Store struct {
	files
	log *slog.Logger

	// locks make a change of a record one, each for some of the ids.
	locks [64]sync.Mutex
	hash  maphash.Seed

	mu sync.Mutex
	// onDisk has the ids whose current file has reached the disk.
	onDisk map[string]bool
}

// Open opens the store. It reads nothing yet.
func Open(cfg Config) (*Store, error) {
	seal, err := newSeal(cfg.Key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the node's state: %w", err)
	}
	return &Store{
		files: files{dir: cfg.Dir, seal: seal}, log: cfg.Logger,
		hash: maphash.MakeSeed(), onDisk: make(map[string]bool),
	}, nil
}

// lock locks a record and returns what unlocks it.
func (s *Store) lock(id string) (unlock func()) {
	l := &s.locks[maphash.String(s.hash, id)%uint64(len(s.locks))]
	l.Lock()
	return l.Unlock
}

// Put keeps a record, in place of the one with its id if there is one. A durable one is on the disk
// when Put returns; one that is not outlives the process, but perhaps not the machine. When Put fails the
// record is what it was before; the error of a full disk is syscall.ENOSPC.
func (s *Store) Put(r Record, durable bool) error {
	if err := checkID(r.ID); err != nil {
		return err
	}
	data, err := encode(r, s.seal)
	if err != nil {
		return fmt.Errorf("keep the state of workload %s: %w", r.ID, err)
	}
	defer s.lock(r.ID)()
	if err := s.put(r, data, durable); err != nil {
		return fmt.Errorf("keep the state of workload %s: %w", r.ID, err)
	}
	return nil
}

func (s *Store) put(r Record, data []byte, durable bool) error {
	tmp, err := s.write(r.ID, data, durable)
	if err != nil {
		return err
	}
	keep := s.isOnDisk(r.ID)
	if r.State == nex.StateStopping || r.State.Ended() {
		// It must not come back because this version is damaged one day.
		keep, err = false, remove(s.previous(r.ID))
	}
	if err == nil {
		err = s.replace(r.ID, tmp, keep)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	s.setOnDisk(r.ID, durable)
	if durable {
		syncDir(s.dir)
	}
	return nil
}

// Delete forgets a record; one that does not exist is fine. It is gone from the disk when Delete
// returns. When Delete fails the record may still be there.
func (s *Store) Delete(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	defer s.lock(id)()
	if err := s.forget(id); err != nil {
		return fmt.Errorf("forget the state of workload %s: %w", id, err)
	}
	s.setOnDisk(id, false)
	return nil
}

// Load reads all records, in the order in which their workloads were accepted, and what is damaged. A
// record whose current file is damaged and whose previous one is whole is the previous one; that is
// logged. What is damaged is moved to the directory damaged, and told of once. Leftovers of interrupted
// writes are removed. The error is that the directory cannot be read, that a record is of a newer
// version of the format, or that it was sealed with another key; nothing has been changed then.
//
// Load is for the start: no other method may be called meanwhile.
func (s *Store) Load() ([]Record, []Damaged, error) {
	m, err := s.survey()
	if err != nil {
		return nil, nil, err
	}
	records := make([]Record, 0, len(m.found))
	for _, f := range m.found {
		if f.whole() {
			records = append(records, f.Record)
		}
	}
	report := s.mend(m)
	for _, r := range report.Restored {
		s.log.Warn("the version before it is used of the state of a workload", "workload", r.ID, "file", r.File, "reason", r.Reason)
	}
	for _, err := range report.Failed {
		s.log.Warn("the node's state could not be tidied up", "error", err)
	}
	for _, r := range records {
		_, damage, err := s.readFile(s.previous(r.ID), r.ID)
		s.setOnDisk(r.ID, err != nil || damage != nil) // then the next Put keeps this version
	}
	slices.SortStableFunc(records, func(a, b Record) int {
		return cmp.Or(a.Accepted.Compare(b.Accepted), cmp.Compare(a.ID, b.ID))
	})
	return records, report.Damaged, nil
}

func (s *Store) isOnDisk(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.onDisk[id]
}

func (s *Store) setOnDisk(id string, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if is {
		s.onDisk[id] = true
	} else {
		delete(s.onDisk, id)
	}
}
