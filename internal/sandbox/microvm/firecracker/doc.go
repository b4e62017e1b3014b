// Package firecracker runs microVMs with Firecracker, which needs KVM. Package fcapi is its API.
//
// # A process
//
// It works in a directory, its root, where everything has a fixed name that it is told without any path, so
// that a snapshot of one machine fits the next:
//
//	api.sock        its API
//	v.sock          the way inside: vsock, to port guest.VsockPort
//	vmlinux, initrd what it boots
//	vda, vdb, …     the disks
//	state, memory   the snapshot that it goes on from, or that it writes
//
// If the node is root the jailer starts it: it becomes Machine.User, and that directory is all that it sees. There
// it is <Machine.Dir>/<name of the program>/<id>/root, what the machine needs is linked into it, or copied if it
// is another file system's and only read, and the jailer puts the program and the devices there. All is in
// Machine.Dir: who removes that has removed it all. Elsewhere the root is Machine.Dir itself, with symbolic links.
//
// The jailer has an end of its own for namespaces, control groups and sessions, none of which is used: a process
// is born where it belongs. It empties the environment; the id is in the arguments, after --id.
//
// Firecracker keeps its API while the machine runs, so that the next node process connects to the sockets again
// and nothing is lost.
//
// # The guest
//
// The machine ends when the guest restarts: powering off stops the processors and no more, for there is no power to
// switch. On x86 the kernel must be an ELF file (vmlinux).
package firecracker
