package cgroup

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/cgroups/v3"
)

// Controllers that bound something.
const (
	memory = "memory"
	cpu    = "cpu"
	pids   = "pids"
	block  = "io" // version 2 only
)

// hierarchy is a tree of control groups as it is mounted here.
type hierarchy struct {
	unified     bool     // version 2
	controllers []string // of ours; of version 2 those that the groups of sandboxes have
	root        string   // which of its groups is at top
	top         string   // where it is mounted
	parent      string   // the directory of the node's group, once it is made
}

func (h *hierarchy) has(controller string) bool { return slices.Contains(h.controllers, controller) }

// hierarchies are those that are mounted and of use to us, from a file like /proc/self/mountinfo. The
// same hierarchy can be mounted more than once: the first counts.
func hierarchies(mountinfo io.Reader) ([]*hierarchy, error) {
	var found []*hierarchy
	taken := map[string]bool{}
	lines := bufio.NewScanner(mountinfo)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// id parent device root mountpoint options … - type source options
		mount, system, _ := strings.Cut(lines.Text(), " - ")
		m, s := strings.Fields(mount), strings.Fields(system)
		if len(m) < 5 || len(s) < 3 || taken[m[2]] {
			continue
		}
		h := &hierarchy{root: unescape(m[3]), top: unescape(m[4])}
		switch s[0] {
		case "cgroup2":
			h.unified = true
		case "cgroup":
			for c := range strings.SplitSeq(s[2], ",") {
				if c == memory || c == cpu || c == pids {
					h.controllers = append(h.controllers, c)
				}
			}
			if len(h.controllers) == 0 {
				continue
			}
		default:
			continue
		}
		taken[m[2]] = true
		found = append(found, h)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	return found, nil
}

// unescape turns \040 into a space, and so on, as the kernel writes paths.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// membership says which groups a process or thread is in.
type membership struct {
	groups  map[string]string // of version 1, by controller
	unified string
}

// memberOf reads a file like /proc/self/cgroup.
func memberOf(file string) (membership, error) {
	groups, unified, err := cgroups.ParseCgroupFileUnified(file)
	if err != nil {
		return membership{}, fmt.Errorf("read control groups: %w", err)
	}
	return membership{groups, unified}, nil
}

// directory is where the group of a process is in this hierarchy, if the mount shows it.
func (h *hierarchy) directory(of membership) (string, bool) {
	group := of.unified
	if !h.unified {
		group = of.groups[h.controllers[0]]
	}
	rest, ok := strings.CutPrefix(group, strings.TrimSuffix(h.root, "/"))
	if group == "" || !ok || rest != "" && rest[0] != '/' || slices.Contains(strings.Split(rest, "/"), "..") {
		return "", false
	}
	return filepath.Join(h.top, rest), true
}

// within reports whether a directory of the hierarchy is at or below another.
func within(dir, above string) bool {
	return dir == above || strings.HasPrefix(dir, above+"/")
}

// write writes a value to a file that the kernel has made. Values are written at once, because a file
// of the kernel takes each write for a value of its own.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// fields reads a file of words.
func fields(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Fields(string(b)), err
}

// number reads a file of one number.
func number(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	return n, nil
}

// entries reads a file of lines "name number".
func entries(path string) (map[string]int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			all[name] = n
		}
	}
	return all, nil
}
