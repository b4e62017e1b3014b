package microvmtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
)

// Agent is the path of the suite's agent, which it builds once.
func (r *Rig) Agent(t testing.TB) string {
	t.Helper()
	path := Part("suite-agent")
	r.making.Lock()
	defer r.making.Unlock()
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.Rename(sandboxtest.BuildAgent(t), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Rootfs makes a root file system with the agent, one for each that there is.
func (r *Rig) Rootfs(agent string) (string, error) {
	content, err := os.ReadFile(agent)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(content)
	path := Part("rootfs-" + hex.EncodeToString(digest[:8]))
	r.making.Lock()
	defer r.making.Unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// Another process may make it, too.
	f, err := os.CreateTemp(filepath.Dir(path), "making-")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := writeRootfs(f, content); err != nil {
		return "", err
	}
	if err := f.Chmod(0o644); err != nil { // for users of machines
		return "", err
	}
	return path, os.Rename(f.Name(), path)
}

func writeRootfs(to *os.File, agent []byte) error {
	const size = 64 << 20
	w, err := ext4.NewWriter(to, ext4.Options{Size: size})
	if err != nil {
		return err
	}
	init, err := os.ReadFile(Part("nex-init"))
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{guest.InitPath: init, guest.AgentPath: agent} {
		if err := w.File(name, ext4.Attr{Mode: 0o755}, int64(len(content)), bytes.NewReader(content)); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/etc", "/home"} {
		if err := w.Mkdir(dir, ext4.Attr{Mode: 0o755}); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), to.Truncate(size))
}
