// Package vmm is the contract between the microVM driver and the programs that run machines, one process for
// each machine.
//
// The driver does what is the same for all of them: it makes the disks, the network namespace with its tap and
// the control group, starts the process there, sees it end, and kills it. A [VMM] says which process that is,
// makes the machine run, and connects to what is inside.
//
//	cmd, err := v.Command(m) // the driver sets what is inherited, and starts it
//	err = v.Boot(ctx, m)     // the machine runs
//	conn, err := v.Dial(ctx, m)
//
// All that is needed to speak to a running machine is in its [Machine], so that the next node process can do so
// with one of an earlier.
package vmm

import (
	"context"
	"net"
	"os/exec"

	"github.com/nex-engine/nex/internal/sandbox"
)

// Machine is what to start, or what was started. It has no secrets, and is kept as JSON by the driver.
type Machine struct {
	// ID is the sandbox's: 1 to 32 letters and digits.
	ID string `json:"id"`
	// Dir is an absolute path of a directory for the sockets and files of the VMM, which is there, empty, and
	// belongs to User. Nobody else uses it. It may be too long for the path of a socket: see Listen and Dial.
	Dir string `json:"dir"`
	// User is who the process is to be; nil means who the node is. The disks that are not read-only are the user's.
	// The others, the kernel and the initrd, which are from elsewhere, the node can read: a VMM whose process opens
	// them as this user says, in Command, that it cannot.
	User *User `json:"user,omitempty"`

	Kernel  string `json:"kernel"`
	Initrd  string `json:"initrd,omitempty"` // empty: none
	Cmdline string `json:"cmdline"`          // besides what the VMM itself needs, such as console=

	MemoryBytes int64  `json:"memory_bytes"` // of RAM, a multiple of 1 MiB
	CPUs        int    `json:"cpus"`
	Disks       []Disk `json:"disks"`             // vda, vdb, …
	Network     *NIC   `json:"network,omitempty"` // nil: none
	Rates       Rates  `json:"rates"`             // at the start; only if Features.Rates

	// Snapshot is the path of a directory that another machine has left, from which this one is to go on; empty
	// means that it boots. It then is as that machine but for ID, Dir, User, the paths of the disks, the tap and the
	// rates: its guest has the hardware address of that machine until it takes another, with which its network works
	// as well. The directory is only read, and only by Command and Boot.
	Snapshot string `json:"snapshot,omitempty"`
	// Leaves is the path of a directory, which is there and empty, in which the machine is to be left by
	// Snapshot; empty means that it will not be.
	Leaves string `json:"leaves,omitempty"`
}

// User is a user and group of the host.
type User struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// Disk is a file that the machine has as a disk.
type Disk struct {
	Path     string `json:"path"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// NIC is the machine's network interface.
type NIC struct {
	// Tap is an interface of the namespace in which the process is started, which belongs to User and is up.
	Tap string `json:"tap"`
	MAC string `json:"mac"` // of the guest
}

// Rates bound what a machine reads and writes, on its disks together and, as far as the VMM can, on its network;
// nil means no bound.
type Rates struct {
	Bandwidth *sandbox.Rate `json:"bandwidth,omitempty"` // bytes
	IOPS      *sandbox.Rate `json:"iops,omitempty"`      // operations
}

// Features is what a VMM can do besides running machines.
type Features struct {
	Rates     bool // Machine.Rates and SetRates hold
	Snapshots bool
}

// A VMM runs machines. It is safe for concurrent use; calls for one machine come one after the other.
type VMM interface {
	// Name is that of the program, such as "qemu".
	Name() string
	// Features may be asked at any time, before Check too.
	Features() Features
	// Fingerprint stands for the program, and for how it runs machines here: one with another fingerprint is not given
	// the snapshots of this one.
	Fingerprint(ctx context.Context) (string, error)
	// Check tries whether machines can run here, within two seconds unless a program does not answer. The error
	// says in a sentence what is missing and what to do. It leaves nothing.
	Check(ctx context.Context) error
	// Command is the process of the machine, not started. It ends when the machine is powered off, crashes, or
	// cannot be started, with a status other than 0 in the last case; killing it ends the machine; it has no
	// children. The driver sets Env, and Stdin, Stdout and Stderr: the guest's first serial console is
	// written to standard output, and what the process itself complains of to standard error, which are FIFOs and
	// do not block. The driver starts it in the network namespace with the tap, and
	// closes its ExtraFiles then, also when it could not be started.
	Command(m Machine) (*exec.Cmd, error)
	// Boot lets the machine of a process that was started run, or go on from its snapshot, and returns when it
	// does. The ctx ends when the process does.
	Boot(ctx context.Context, m Machine) error
	// Dial connects to the byte stream that leads inside. There is one connection at a time: the driver has
	// closed the one before, or the node process that had it has ended. The guest need not listen yet: then the
	// connection waits for it, or Dial fails, and is tried again.
	Dial(ctx context.Context, m Machine) (net.Conn, error)
	// Complaint picks the sentence that matters of what the process has written to standard error; empty if
	// there is none.
	Complaint(stderr []byte) string
	// SetRates replaces the rates, all or nothing.
	SetRates(ctx context.Context, m Machine, r Rates) error
	// Snapshot stops the machine, and leaves its state, but for its disks, in the directory dir, which is its
	// Leaves. All is there once the process has ended, which the driver then kills.
	Snapshot(ctx context.Context, m Machine, dir string) error
	// Forget gives up what is kept of the snapshot in a directory, which no machine is started from any more. Those
	// that were go on.
	Forget(dir string)
}
