package gvisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// description is the part of an OCI runtime configuration that a sandbox needs.
type description struct {
	Version  string  `json:"ociVersion"`
	Process  process `json:"process"`
	Root     root    `json:"root"`
	Hostname string  `json:"hostname"`
	Mounts   []mount `json:"mounts"`
	Linux    linux   `json:"linux"`
}

type process struct {
	User            user         `json:"user"`
	Args            []string     `json:"args"`
	Env             []string     `json:"env"`
	Cwd             string       `json:"cwd"`
	Capabilities    capabilities `json:"capabilities"`
	Rlimits         []rlimit     `json:"rlimits,omitempty"`
	NoNewPrivileges bool         `json:"noNewPrivileges"`
	OOMScoreAdj     int          `json:"oomScoreAdj"` // of the kernel and the gofer, on the host
}

type user struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

type capabilities struct {
	Bounding    []string `json:"bounding"`
	Effective   []string `json:"effective"`
	Inheritable []string `json:"inheritable"`
	Permitted   []string `json:"permitted"`
	Ambient     []string `json:"ambient"`
}

type rlimit struct {
	Type string `json:"type"`
	Hard uint64 `json:"hard"`
	Soft uint64 `json:"soft"`
}

type root struct {
	Path string `json:"path"`
}

type mount struct {
	Destination string   `json:"destination"`
	Type        string   `json:"type"`
	Source      string   `json:"source"`
	Options     []string `json:"options,omitempty"`
}

type linux struct {
	Namespaces []namespace `json:"namespaces"`
}

type namespace struct {
	Type string `json:"type"`
	Path string `json:"path,omitempty"`
}

// agentCapabilities are those of an agent that runs programs: to become another user, to give up
// capabilities for good before it does, to give that user the pipes for its output, and to end what it runs.
var agentCapabilities = []string{"CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN", "CAP_KILL"}

// describe says what a sandbox is made of; shared is the root of the driver.
func (d *Driver) describe(h home, shared string, spec sandbox.Spec, e sandboxnet.Endpoint, args []string) description {
	s := description{
		Version:  "1.1.0",
		Process:  describeProcess(spec, args),
		Root:     root{Path: shared},
		Hostname: "nex",
		Mounts:   d.mounts(h, shared, spec),
	}
	if spec.Rootfs != "" {
		s.Root.Path = spec.Rootfs
	}
	network := namespace{Type: "network"}
	if e != nil {
		network.Path = e.Namespace()
	}
	s.Linux.Namespaces = []namespace{{Type: "pid"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}, network}
	return s
}

// agentUser runs the agent.
func agentUser(spec sandbox.Spec) int {
	if spec.Network {
		return AgentUser
	}
	return WorkloadUser
}

func describeProcess(spec sandbox.Spec, args []string) process {
	dir := workDir
	if spec.Rootfs != "" {
		dir = "/"
	}
	p := process{
		User: user{agentUser(spec), agentUser(spec)},
		Args: append([]string{agentPath}, args...),
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"HOME=" + dir,
			"TMPDIR=" + tempDir,
			AgentIDVariable + "=" + spec.ID,
		},
		Cwd:             dir,
		NoNewPrivileges: true,
		OOMScoreAdj:     cgroup.OOMScoreAdj(),
	}
	if spec.Network {
		c := agentCapabilities
		p.Capabilities = capabilities{Bounding: c, Effective: c, Inheritable: c, Permitted: c, Ambient: c}
		p.Env = append(p.Env, fmt.Sprintf("%s=%d:%d", UserVariable, WorkloadUser, WorkloadUser))
	}
	if n := uint64(spec.Settings.Limits.OpenFiles); n > 0 {
		p.Rlimits = []rlimit{{Type: "RLIMIT_NOFILE", Hard: n, Soft: n}}
	}
	return p
}

// mounts are what a sandbox has besides its root, outer ones first.
func (d *Driver) mounts(h home, shared string, spec sandbox.Spec) []mount {
	uid := agentUser(spec)
	var list []mount
	if spec.Rootfs != "" {
		list = d.imageMounts(shared, spec)
	}
	list = append(list,
		mount{Destination: "/proc", Type: "proc", Source: "proc"},
		memory("/dev/shm", 64<<20, "mode=1777"),
		memory(ownDir, 1<<20, "mode=0700", "uid="+strconv.Itoa(uid), "gid="+strconv.Itoa(uid)),
		// Without it there is no group for the processes inside. Who cannot enter ownDir does not reach it.
		mount{Destination: groupDir, Type: "cgroup", Source: "cgroup"},
		bind(d.agent, agentPath),
		bind(h.in(), inDir),
	)
	if spec.LinkDir != "" {
		list = append(list, bind(spec.LinkDir, LinkDir))
	}
	return list
}

// imageMounts are what an image has not, or has of its own. Their mount points are ImageMountPoints.
func (d *Driver) imageMounts(shared string, spec sandbox.Spec) []mount {
	list := []mount{bind(filepath.Join(shared, nexDir), nexDir)}
	if spec.Network {
		for _, file := range []string{hostsFile, resolvConf} {
			list = append(list, bind(filepath.Join(shared, file), file))
		}
	}
	if !hasFiles(spec.Rootfs, tempDir) {
		list = append(list, memory(tempDir, 64<<20, "mode=1777"))
	}
	return list
}

// hasFiles reports whether a directory of an image is one, and has something in it. If tempDir has not runsc
// would mount a directory in memory there, which has no bound.
func hasFiles(root, path string) bool {
	info, err := os.Lstat(filepath.Join(root, path))
	if err != nil || !info.IsDir() {
		return false
	}
	dir, err := os.Open(filepath.Join(root, path))
	if err != nil {
		return false
	}
	defer dir.Close()
	_, err = dir.Readdirnames(1)
	return err == nil
}

// checkImage refuses an image whose own files are where ours must be.
func checkImage(dir string) error {
	info, err := os.Lstat(filepath.Join(dir, nexDir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(dir); err != nil {
			return fmt.Errorf("the root directory of the image cannot be used: %w", err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("the root directory of the image cannot be used: %w", err)
	case !info.IsDir():
		return fmt.Errorf("the image has a file %s, where sandboxes have a directory: remove it from the image", nexDir)
	}
	return nil
}

// bind makes a file or directory of the host visible inside, read-only.
func bind(source, destination string) mount {
	return mount{Destination: destination, Type: "bind", Source: source, Options: []string{"bind", "ro", "nosuid", "nodev"}}
}

// memory makes a directory in memory.
func memory(destination string, size int, options ...string) mount {
	options = append([]string{"nosuid", "nodev", "size=" + strconv.Itoa(size)}, options...)
	return mount{Destination: destination, Type: "tmpfs", Source: "tmpfs", Options: options}
}
