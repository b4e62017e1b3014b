// Package microvm is the sandbox driver of level microvm: each agent runs in a virtual machine of its own, with a
// kernel of its own. Which program runs the machines is behind the small interface of package vmm.
//
// # A machine
//
// All machines share a kernel and a root file system, which none can write to. What one writes goes to a disk of
// its own, which is as large as its limit and takes room on the host as it is used. Its init (package guest) starts
// the agent, and speaks to the node over a stream of bytes that is no network. That stream carries the bootstrap
// document, staged files and settings, and the connections of the agent to the node's link socket, so that of
// Spec.LinkDir only the socket agentlink.SocketName is seen inside. What the agent prints comes by the serial console.
//
// # Users
//
// Inside, the agent is user guest.AgentUser, and runs the programs of a sandbox with network as
// guest.WorkloadUser. On the host a machine's process starts as the node's user. If that is root, it becomes a user
// of its own, one for each machine, before the machine runs.
//
// # Images
//
// The files in the directory Spec.Rootfs are written to a file system, which is a third disk of all machines that are
// started with the directory, and which they only read. It is kept for the next one, until the directory is gone: the
// start of another image, and Sweep, then remove it. So what these disks take is bounded by what such directories may
// take. The agent of such a machine is guest.ImageAgentUser, because programs of images may be whom they like, root
// included.
//
// # Limits
//
// A machine has [Config.MemoryBytes] and [Config.CPUs] for every workload; what it does not use it does not take
// from the host. The Limits of a sandbox count inside, where programs get errors or are killed as on any machine.
// Outside of it the control group of the process is a second wall, behind which is the whole machine. Limits of memory and
// processors therefore hold without control groups, too.
//
// # Network
//
// The process is in the network namespace of its sandbox, without an address: there is a bridge between the
// namespace's interface and the tap of the machine, which gets the address, hardware address and routes that the
// interface had. So everything else of the network is as for other drivers. The process of a sandbox without a
// network is in a namespace with nothing in it, if the node may make one, and the machine has no interface.
//
// # Snapshots
//
// To boot takes seconds where the processor is emulated. So a machine goes on from a snapshot of another, which was
// booted once for that: its agent was started, and waits for its bootstrap document. There is one snapshot for each
// size of the disk, and one more for machines with a network. What machines do not change of its memory they share.
// A machine with an image boots, for nobody else has its disk.
//
// All that makes a machine the one that it is comes after that, with the bootstrap document: identity, clock,
// entropy, limits, and the addresses of its network, the hardware address included, so that nothing that the machine
// of the snapshot had is ever seen outside. What a process has drawn at random before, as runtimes do for their hash tables, is the same
// in all. A snapshot is of no use with another kernel, initrd, root file system or VMM, or in another run of the host;
// Sweep removes it then. A machine that for whatever reason does not go on from its snapshot boots instead, and the next
// one has another snapshot; after a few such failures all boot.
//
// # On the host
//
// Below <Dir>/<id>, which only the node's user can enter:
//
//	instance.json   who the process is, and what Adopt has to know
//	disk            the machine's own disk
//	output          the FIFO that the serial console goes to
//	vmm             sockets and files of the program that runs the machine
//	complaints      the FIFO that what it complains of goes to
//
// Beside them, for each image that a sandbox was started with:
//
//	image-<key>/disk   its files, as a file system
//	image-<key>/of     a link to where they are from
//
// With a network there is its endpoint, with control groups the group, both under the sandbox's id.
//
// # Without a node
//
// When the node is gone all goes on, but that nobody reads the console, of which the FIFO holds some, and that the
// agent does not reach its link. The next node process takes a sandbox over by Adopt, or ends it by Sweep. The
// kernel, the initrd and the root file system that a machine was started with must stay as they are until it ends:
// give new ones new names.
package microvm
