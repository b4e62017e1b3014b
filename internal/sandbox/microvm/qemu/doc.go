// Package qemu runs microVMs with QEMU: its machine type microvm, which has no firmware to speak of, no PCI, and
// virtio devices only.
//
// KVM is used where a machine really runs with it: a device /dev/kvm may be there and be of no use, so that it is
// tried. Elsewhere QEMU emulates the processor, which is some ten times slower but works everywhere.
//
// A machine is one process, which opens what it needs and then gives up all rights: it becomes Machine.User, its
// root is the machine's own directory, and a filter keeps it from system calls that a machine does not need, above
// all from starting programs. In the machine's directory it has two sockets, which are made before it starts, so
// that whoever connects need not wait for them: one leads inside, to the port named guest.PortName, the other is
// for QMP, by which QEMU is controlled.
package qemu
