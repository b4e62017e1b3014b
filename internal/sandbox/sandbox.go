// Package sandbox is the contract between the node and what isolates its agents.
//
// A [Driver] starts sandboxes, each of which runs one agent and nothing else. What a driver can do
// is data ([Capabilities]), so that no caller asks for a driver's name. A driver is done when it
// passes sandboxtest.Run.
//
// # Ownership
//
// Whoever calls Start owns the [Instance] and must call Destroy on it, also when the agent has
// ended by itself. Every object that a driver makes on the host (processes, directories, sockets,
// interfaces) carries the sandbox's id or the driver's prefix, and is gone when Destroy returns.
package sandbox

import (
	"context"
	"errors"
	"time"

	nex "github.com/nex-engine/nex"
)

// Capabilities is what a driver's sandboxes are like.
type Capabilities struct {
	// Driver is the driver's name, such as "process".
	Driver string
	// Level is how strongly its sandboxes isolate.
	Level nex.SandboxLevel
	// OS and Arch are what programs inside must be built for, as GOOS and GOARCH name them.
	OS, Arch string
	// HostLibraries says that programs inside see the host's shared libraries, so that they need
	// not be statically linked.
	HostLibraries bool
	// LinkDir is where Spec.LinkDir is seen inside; empty means at the same path.
	LinkDir string
	// HostNetwork says that sandboxes are in the network of the machine, whatever Spec.Network says.
	HostNetwork bool
	// Network says that sandboxes can have a network. Without HostNetwork and Network a service cannot
	// do anything useful inside.
	Network bool
	// Images says that a sandbox can have Spec.Rootfs as its root.
	Images bool
	// Limits says which of the bounds in Limits hold.
	Limits LimitSet
	// StartTimeout is how long Start may take at most; 0 means that it is a matter of moments.
	StartTimeout time.Duration
}

// Spec says what to start.
type Spec struct {
	// ID is the agent's id, unique on this machine: letters and digits, at most 32.
	ID string
	// Bootstrap is the document that the agent reads to find the node. It holds a secret: a driver
	// hands it to the agent alone, never by way of arguments, environment, or a file that the
	// workload can read.
	Bootstrap []byte
	// LinkDir is a directory of the host with the socket by which the agent reaches the node, and perhaps a
	// FIFO by which the node wakes it, and nothing else; the agent must be able to connect to the one and
	// should be able to read the other, the workload must not. Empty means that
	// there are none.
	LinkDir string
	// Network gives the sandbox a network of its own; without, it has none but its loopback.
	Network bool
	// Rootfs is a directory of the host that is the root of the sandbox, unpacked from an image. It is
	// shared, and only read. Empty means the driver's own.
	Rootfs string
	// Settings are what the sandbox starts with; Configure replaces them.
	Settings Settings
	// Log is called with each line that the agent itself prints, from one goroutine at a time. It
	// must not block. Nil discards.
	Log func(line string)
}

// A Driver runs agents in one kind of sandbox. It is safe for concurrent use.
type Driver interface {
	Capabilities() Capabilities
	// Start makes a sandbox and starts the agent in it. It returns once the agent's process runs;
	// that the agent has found the node is for the caller to see. The ctx bounds starting only, not
	// the sandbox's life. When Start fails nothing of the sandbox is left.
	Start(ctx context.Context, spec Spec) (Instance, error)
}

// An Instance is one sandbox. It is safe for concurrent use.
type Instance interface {
	// ID is the id from the Spec.
	ID() string
	// Stage puts a private copy of the file at hostPath, readable and executable by the workload but
	// not writable, where the agent can see it, and returns its path inside. Call it once for each
	// purpose. It fails once the sandbox has ended.
	Stage(ctx context.Context, p Purpose, hostPath string) (string, error)
	// Configure replaces the settings, all of them or none. What cannot be changed while the sandbox
	// runs (disk, open files) stays as it was when those settings are equal, and is an error otherwise.
	Configure(ctx context.Context, s Settings) error
	// Done is closed when the agent has ended, by itself or by Destroy, and with it every process of
	// the sandbox.
	Done() <-chan struct{}
	// Exit is how the agent ended. It is meaningful once Done is closed.
	Exit() nex.Exit
	// Destroy kills whatever runs inside and removes all that the driver made for the sandbox. It
	// returns when nothing is left, nil every time it is called after that. If ctx ends first it
	// returns an error that says what is left; it may be called again.
	Destroy(ctx context.Context) error
}

// A Purpose is what a file is staged for. A driver may name the file so.
type Purpose string

// The purposes.
const (
	ForArtifact Purpose = "artifact" // it is what the workload runs
	ForCompiled Purpose = "compiled" // it is what was compiled of the artifact before
)

// A Sweeper is a Driver whose sandboxes can outlive their node process.
type Sweeper interface {
	// Sweep ends and removes the sandboxes that an earlier node process with the same data directory
	// left behind and that were not adopted, and nothing else; it returns how many there were. Call it
	// after Adopt. What this process starts meanwhile it spares.
	Sweep(ctx context.Context) (int, error)
}

// ErrGone is the error of Adopt when the sandbox has ended, or was never there.
var ErrGone = errors.New("the sandbox is gone")

// An Adopter is a Sweeper whose sandboxes can be taken over from an earlier node process with the same
// data directory, which was killed, or has left them running.
type Adopter interface {
	Sweeper
	// Adopt takes over the sandbox with the id, in which everything goes on as before, and returns it as
	// Start would. What the driver has to know of it, it has kept itself, in a form with a version: it is
	// never found by process ids alone. The agent's output since the earlier process has ended is given to
	// log, as much of it as was kept. The error is [ErrGone], or says why a sandbox that is there cannot be
	// taken over; Sweep then removes it. It may be called for several sandboxes at the same time, once for
	// each.
	//
	// How an adopted agent ends is not always known: Exit then has Code -1 and no Signal.
	Adopt(ctx context.Context, id string, log func(line string)) (Instance, error)
}
