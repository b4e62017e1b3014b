// Package firecrackertest has programs that play Firecracker and its jailer where there is no KVM, for tests: the
// API is served and held to as the real ones do, and the machine is run by QEMU, which emulates the processor. They
// need qemu-system-x86_64 in PATH.
//
// What differs: drives alone are bounded in their rates, there are no metrics, no metadata for guests, no memory
// balloon, and no snapshots of type Diff; there is one connection by vsock at a time, to the port guest.VsockPort.
package firecrackertest
