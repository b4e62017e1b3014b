package gvisor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// rootfs is the root directory that sandboxes share.
type rootfs struct {
	dir        string // of the driver's state
	nameserver netip.Addr

	mu   sync.Mutex
	path string          // once it is there
	used map[string]bool // by name: those that adopted sandboxes have
}

// rootfsPrefix begins the names of root directories.
const rootfsPrefix = "rootfs-"

// tempKeep keeps tempDir from being empty: over an empty one runsc mounts a directory in memory that has no
// bound.
const tempKeep = tempDir + "/.nex"

// certificates is where systems keep the certificates that they trust, and ours is where programs look
// first.
var certificates = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// rootDirs are the directories, outer ones first. A mount point must be there: otherwise it is made when
// it is used.
var rootDirs = []string{
	"/.nex", inDir, ownDir, LinkDir, groupDir,
	"/dev", "/etc", "/etc/ssl", "/etc/ssl/certs", "/proc", "/sys", tempDir, workDir,
}

// ready returns the path of the directory, and makes it if it is not there.
func (r *rootfs) ready() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.path != "" {
		return r.path, nil
	}
	path, err := r.make()
	if err != nil {
		return "", fmt.Errorf("make the root directory of sandboxes: %w", err)
	}
	r.path = path
	return path, nil
}

// make makes the directory under a name that says what is in it, whole or not at all.
func (r *rootfs) make() (string, error) {
	files := r.files()
	path := filepath.Join(r.dir, rootfsPrefix+digestOf(files))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(r.dir, rootfsPrefix+"part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part) // if it was not moved
	if err := fill(part, files); err != nil {
		return "", err
	}
	err = os.Rename(part, path)
	if errors.Is(err, fs.ErrExist) { // another driver was faster
		err = nil
	}
	return path, err
}

// files are the files by their paths.
func (r *rootfs) files() map[string]string {
	files := map[string]string{
		agentPath:    "", // a mount point
		tempKeep:     "",
		"/etc/group": fmt.Sprintf("root:x:0:\nnex:x:%d:\nnex-agent:x:%d:\nnogroup:x:65534:\n", WorkloadUser, AgentUser),
		"/etc/passwd": fmt.Sprintf("root:x:0:0:root:/:/bin/false\nnex:x:%[1]d:%[1]d:nex:%[2]s:/bin/false\n"+
			"nex-agent:x:%[3]d:%[3]d:nex-agent:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n", WorkloadUser, workDir, AgentUser),
		hostsFile:            "127.0.0.1 localhost nex\n::1 localhost nex\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
		resolvConf:           "",
	}
	if r.nameserver.IsValid() {
		files[resolvConf] = "nameserver " + r.nameserver.String() + "\n"
	} else if b, err := os.ReadFile(resolvConf); err == nil {
		files[resolvConf] = string(b)
	}
	for _, path := range certificates {
		if b, err := os.ReadFile(path); err == nil {
			files[certificates[0]] = string(b)
			break
		}
	}
	return files
}

func digestOf(files map[string]string) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q", rootDirs)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(hash, "%q %q\n", path, files[path])
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// fill puts everything into the directory, with permissions for users who are nobody on the host.
func fill(dir string, files map[string]string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for _, path := range rootDirs {
		if err := makeDir(filepath.Join(dir, path), 0o755); err != nil {
			return err
		}
	}
	for path, content := range files {
		path = filepath.Join(dir, path)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o444); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(dir, tempDir), 0o777|fs.ModeSticky); err != nil {
		return err
	}
	work := filepath.Join(dir, workDir)
	if os.Geteuid() != 0 {
		return os.Chmod(work, 0o777) // nobody can be given anything
	}
	return os.Chown(work, WorkloadUser, WorkloadUser)
}

// use keeps the directory with a name from being swept. It fails if there is none.
func (r *rootfs) use(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used[name] {
		return nil
	}
	if filepath.Base(name) != name || !strings.HasPrefix(name, rootfsPrefix) {
		return fmt.Errorf("%q is no root directory of sandboxes", name)
	}
	if _, err := os.Stat(filepath.Join(r.dir, name)); err != nil {
		return fmt.Errorf("the root directory of the sandbox cannot be used: %w", err)
	}
	if r.used == nil {
		r.used = map[string]bool{}
	}
	r.used[name] = true
	return nil
}

// sweep removes the directories that are not in use: all but the one that is there for this driver, and those of
// adopted sandboxes.
func (r *rootfs) sweep() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	current := rootfsPrefix + digestOf(r.files())
	var failed []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), rootfsPrefix) && e.Name() != current && !r.used[e.Name()] {
			failed = append(failed, os.RemoveAll(filepath.Join(r.dir, e.Name())))
		}
	}
	return errors.Join(failed...)
}
