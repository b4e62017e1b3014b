package faults_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/nextest"
)

// runs are the runs of a program, of which the last one may be under way.
type runs struct {
	process *nextest.Process
	before  []*nextest.Process // the last ones before it
}

// keptRuns is how many of the runs before are kept, for their logs.
const keptRuns = 2

func (r *runs) began(p *nextest.Process) {
	if r.process != nil {
		r.before = append(r.before, r.process)
		r.before = r.before[max(0, len(r.before)-keptRuns):]
	}
	r.process = p
}

func (r *runs) kill() { r.process.Kill() }

func (r *runs) signal(s syscall.Signal) error { return syscall.Kill(r.process.PID(), s) }

// log is what the last runs have logged.
func (r *runs) log() string {
	text := ""
	for _, p := range append(r.before, r.process) {
		if p != nil {
			text += fmt.Sprintf("--- process %d\n%s", p.PID(), p.Log())
		}
	}
	return text
}

// node is a node, in a network namespace of its own.
type node struct {
	runs
	name  string
	at    *place
	home  string // of its user
	dir   string // the data directory, a file system of its own
	tmp   string
	keeps bool // it leaves workloads running when it is told to end
	args  []string
	id    string // once it was started

	groupDirs []string // what holds the control groups of its sandboxes, once some were found
	xkey      string
}

// dataMiB is how large the file system of a data directory is.
const dataMiB = 768

// newNode prepares a node with a configuration.
func newNode(t *testing.T, number int, config string, flags ...string) *node {
	t.Helper()
	home := t.TempDir()
	n := &node{
		name: string(rune('a' + number)), at: newPlace(t, number+1), home: home,
		dir: filepath.Join(home, "data"), tmp: filepath.Join(home, "tmp"), keeps: number == 0,
	}
	must(t, os.Mkdir(n.dir, 0o700), os.Mkdir(n.tmp, 0o700))
	must(t, unix.Mount("tmpfs", n.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%dm,mode=0700", dataMiB)))
	t.Cleanup(func() {
		if err := unix.Unmount(n.dir, 0); err != nil { // it fails if somebody still uses it
			t.Errorf("unmount the data directory of node %s: %v", n.name, err)
			must(t, unix.Unmount(n.dir, unix.MNT_DETACH))
		}
	})
	file := filepath.Join(home, "config.json")
	writeFile(t, file, config)
	n.args = append([]string{"node", "up", "--json", "--server", serverURLs(), "--config", file}, flags...)
	if n.keeps && knows("keep-workloads") {
		n.args = append(n.args, "--keep-workloads")
	}
	return n
}

func (n *node) start() error {
	p, err := n.at.start(filepath.Join(binDir, "nex"), []string{
		"HOME=" + n.home, "TMPDIR=" + n.tmp, "PATH=" + os.Getenv("PATH"), "NEX_DATA_DIR=" + n.dir,
	}, n.args...)
	if err != nil {
		return fmt.Errorf("start node %s: %w", n.name, err)
	}
	n.began(p)
	switch n.id {
	case "": // nobody else reads it before the first start
		n.id = p.Ready.NodeID
	case p.Ready.NodeID:
	default:
		return fmt.Errorf("node %s has become %s, it was %s", n.name, p.Ready.NodeID, n.id)
	}
	return nil
}

// fill writes to the data directory until there is no space left in it, and returns how to free it.
func (n *node) fill() (free func() error, err error) {
	path := filepath.Join(n.dir, "filler")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var end int64
	for piece := int64(64 << 20); piece >= 4096; {
		switch err := unix.Fallocate(int(f.Fd()), 0, end, piece); {
		case err == nil:
			end += piece
		case errors.Is(err, unix.ENOSPC):
			piece /= 2
		default:
			return nil, errors.Join(err, os.Remove(path))
		}
	}
	return func() error { return os.Remove(path) }, nil
}
