//go:build linux

package network

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	nex "github.com/nex-engine/nex"
)

// keptDir has a directory for each node, with a file for each sandbox: what a later process must know of it
// that the kernel does not tell. It ends with this run of the machine, as that which it is about does.
const keptDir = "/run/nex-network"

const (
	// keptVersion changes with the form of the file, and when package policy makes other sets of the same rules.
	keptVersion = 1
	maxKept     = 1 << 20 // rules are at most 256, each as long as a host name
)

// kept is what is kept about the policy of a sandbox.
type kept struct {
	ID string `json:"id"`
	// Node and Sandbox are what the policy is made of.
	Node    nex.Egress `json:"node"`
	Sandbox nex.Egress `json:"sandbox"`
	// Generation is that of the sets of its names.
	Generation int `json:"generation"`
}

// keptFile is the file: the sum is that of Policy, byte by byte.
type keptFile struct {
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"`
	Policy  json.RawMessage `json:"policy"`
}

func (m *Manager) keptDir() string { return filepath.Join(keptDir, m.cfg.Name) }

func (m *Manager) keptPath(id string) string { return filepath.Join(m.keptDir(), id) }

// keepPolicy writes down of what the policy of a sandbox is made.
func (m *Manager) keepPolicy(id string, e nex.Egress, generation int) error {
	b, err := kept{ID: id, Node: m.cfg.Egress, Sandbox: e, Generation: generation}.encode()
	if err != nil {
		return fmt.Errorf("keep the policy of sandbox %s: %w", id, err)
	}
	if err := replaceFile(m.keptPath(id), b); err != nil {
		return fmt.Errorf("keep the policy of sandbox %s: %w", id, err)
	}
	return nil
}

// replaceFile puts a file in the place of the one at path, if there is one: whole or not at all.
func replaceFile(path string, b []byte) error {
	// Not synced: if the machine goes down there is nothing to take over. The name of the new file is no id.
	part := path + ".new"
	err := os.WriteFile(part, b, 0o600)
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part) // it may not even be there
	}
	return err
}

func (k kept) encode() ([]byte, error) {
	policy, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(policy)
	return json.Marshal(keptFile{Version: keptVersion, SHA256: hex.EncodeToString(sum[:]), Policy: policy})
}

// forgetPolicy removes what keepPolicy wrote.
func (m *Manager) forgetPolicy(id string) error {
	if err := os.Remove(m.keptPath(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the policy that was kept of sandbox %s: %w", id, err)
	}
	return nil
}

// readKept reads what keepPolicy wrote.
func (m *Manager) readKept(id string) (kept, error) {
	f, err := os.Open(m.keptPath(id))
	if err != nil {
		return kept{}, err
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxKept+1))
	if err != nil {
		return kept{}, err
	}
	k, err := parseKept(b)
	if err == nil && k.ID != id {
		return kept{}, fmt.Errorf("it is of another sandbox, %q", k.ID)
	}
	return k, err
}

// parseKept parses such a file, whole or not at all.
func parseKept(b []byte) (kept, error) {
	var f keptFile
	var k kept
	switch err := json.Unmarshal(b, &f); {
	case len(b) > maxKept:
		return kept{}, fmt.Errorf("it is longer than %d bytes", maxKept)
	case err != nil:
		return kept{}, err
	case f.Version != keptVersion:
		return kept{}, fmt.Errorf("its version is %d, and this one of the node reads %d", f.Version, keptVersion)
	}
	if sum := sha256.Sum256(f.Policy); hex.EncodeToString(sum[:]) != f.SHA256 {
		return kept{}, errors.New("its checksum is wrong")
	}
	d := json.NewDecoder(bytes.NewReader(f.Policy))
	d.DisallowUnknownFields() // a rule that is not known cannot be enforced
	if err := d.Decode(&k); err != nil {
		return kept{}, err
	}
	if !validID.MatchString(k.ID) || k.Generation < 0 {
		return kept{}, errors.New("it does not say whose it is")
	}
	return k, nil
}

// openKeptDir makes the node's directory, and removes the files of sandboxes of which nothing else is left.
func (m *Manager) openKeptDir() error {
	if err := makeDir(m.keptDir()); err != nil {
		return err
	}
	entries, err := os.ReadDir(m.keptDir())
	if err != nil {
		return fmt.Errorf("list the policies that were kept: %w", err)
	}
	for _, e := range entries {
		if _, isLeft := m.left[e.Name()]; isLeft {
			continue
		}
		if err := os.RemoveAll(filepath.Join(m.keptDir(), e.Name())); err != nil {
			return fmt.Errorf("remove a policy that was kept: %w", err)
		}
	}
	return nil
}

// removeKeptDir removes the node's directory. The one above stays: another node may be about to use it.
func (m *Manager) removeKeptDir() error {
	if err := os.RemoveAll(m.keptDir()); err != nil {
		return fmt.Errorf("remove the policies that were kept: %w", err)
	}
	return nil
}

func sameEgress(a, b nex.Egress) bool {
	return slices.Equal(a.Allow, b.Allow) && slices.Equal(a.Deny, b.Deny)
}
