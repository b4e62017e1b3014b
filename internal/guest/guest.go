package guest

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"
)

// Where the stream is.
const (
	// PortName is the name of the virtio-serial port.
	PortName = "org.nex.guest"
	// VsockPort is where the init listens.
	VsockPort = 52
)

// Where things are in a VM.
const (
	// LinkDir has the socket by which the agent reaches the node.
	LinkDir = "/run/nex/link"
	// StagedDir has the files that were staged.
	StagedDir = "/run/nex/in"
	// InitPath is the init, AgentPath the agent that it starts.
	InitPath  = "/usr/lib/nex/nex-init"
	AgentPath = "/usr/lib/nex/nex-agent"
)

// Users and groups in a VM.
const (
	// AgentUser runs the agent, and the functions in it.
	AgentUser = 1000
	// WorkloadUser runs the programs of an agent that has a network.
	WorkloadUser = 1001
	// ImageAgentUser runs the agent whose root is that of an image, which no image is likely to have.
	ImageAgentUser = 65520
)

// EndedLine is what the init prints on the console, before how it ended as JSON of an [Exit], when the agent has.
const EndedLine = "nex-init: agent ended: "

// DroppedLine is what the init prints on the console in the place of lines that nobody has read in time, before how many
// these were.
const DroppedLine = "nex-init: lines that nobody has read in time: "

// Bounds of what is said to a VM.
const (
	// MaxBootstrap bounds the bootstrap document, in bytes, as the agent does.
	MaxBootstrap = 64 << 10
	// MaxEntropy and MinEntropy bound the entropy, in bytes.
	MaxEntropy = 512
	MinEntropy = 32
	// MaxName bounds the name of a file that is staged: letters, digits, and "-_." but as its first.
	MaxName = 64
	// MaxStaged bounds the number of files that are staged.
	MaxStaged = 64
)

// Boot is what a VM is told once.
type Boot struct {
	// ID is the sandbox's: letters and digits, at most 32.
	ID string `json:"id"`
	// Bootstrap is for the agent's standard input.
	Bootstrap []byte `json:"bootstrap"`
	// Time is the host's; the zero Time leaves the VM's clock as it is.
	Time time.Time `json:"time"`
	// Entropy is from the host's source of randomness, 32 bytes or more.
	Entropy []byte `json:"entropy"`
	// Hostname is the VM's name; empty means nex.
	Hostname string `json:"hostname,omitempty"`
	// Network is nil for a VM that has its loopback only.
	Network *Network `json:"network,omitempty"`
	Limits  Limits   `json:"limits"`
}

// Network is how a VM is connected.
type Network struct {
	// Address is the VM's, with the length of the prefix of its subnet.
	Address netip.Prefix `json:"address"`
	// Gateway is where everything else is, in the subnet or not; the zero Addr means that nothing else can be
	// reached.
	Gateway netip.Addr `json:"gateway"`
	// Nameservers are whom programs ask for the addresses of hosts, at most 8.
	Nameservers []netip.Addr `json:"nameservers,omitempty"`
	// MAC is the hardware address that the VM's interface, of which it has one, is given; empty leaves it as it is.
	MAC string `json:"mac,omitempty"`
	// MTU is the interface's; 0 leaves it as it is.
	MTU int `json:"mtu,omitempty"`
}

// Limits bound the agent and all that it starts. 0 means no bound.
type Limits struct {
	// MemoryBytes is enforced by a control group; beyond it processes are killed.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// CPUs is how much processor time they take: 1.5 is one and a half processors.
	CPUs float64 `json:"cpus,omitempty"`
	// PIDs is how many processes and threads there may be.
	PIDs int `json:"pids,omitempty"`
	// OpenFiles is how many files each process may have open.
	OpenFiles int `json:"open_files,omitempty"`
}

// Exit is how the agent ended.
type Exit struct {
	// Code is its exit status, -1 if a signal ended it.
	Code int `json:"code"`
	// Signal is the name of the signal that ended it, such as SIGKILL; empty if none did.
	Signal string `json:"signal,omitempty"`
	// OOM says that it was killed because memory had run out.
	OOM bool `json:"oom,omitempty"`
}

// State is what has happened in a VM.
type State struct {
	ID     string   `json:"id,omitempty"` // as in Boot; empty before
	Booted bool     `json:"booted,omitempty"`
	Staged []string `json:"staged,omitempty"` // names, in the order in which they were staged
}

// Peer is what a session asks of the node. It is called from several goroutines.
type Peer interface {
	// Link connects to the node's link socket. The session closes what it returns. With an error the
	// connection of the agent is closed, which tries again.
	Link(ctx context.Context) (net.Conn, error)
	// Ended says that the agent has ended, at most once in a session. It must not block.
	Ended(e Exit)
}

// VM is what a session asks of the init. It is called from several goroutines.
type VM interface {
	// Boot returns when the agent has its bootstrap document.
	Boot(b Boot) error
	State() State
	// Stage makes a file of the size bytes that r has: with fewer, r fails. It returns the path. What is
	// not whole it removes.
	Stage(name string, size int64, r io.Reader) (string, error)
	// Configure replaces the limits, all of them or none.
	Configure(l Limits) error
}
