// Package gvisor is the sandbox driver of level gvisor: each agent runs in a kernel of its own, written in
// Go, that takes its system calls and makes few and harmless ones itself. It needs no virtualization.
//
// A sandbox is one "runsc run" and what that starts: the kernel with the processes inside, as user nobody
// in an empty root and without capabilities, and the gofer, which opens files for it. All end when runsc
// does, and none of them when the node does.
//
// Its root is a directory of the driver, or of an image, that all share and none can write to. What is
// written inside goes to one file, limited in size, without a name. Inside there are:
//
//	/.nex/agent      the agent's program
//	/.nex/in         what is staged, read-only
//	/.nex/own        for the agent alone: below it Spec.LinkDir and the control groups inside
//	/work, /tmp      the workload's home and TMPDIR; an image has its own directories
//	/dev/shm         memory, 64 MB at most
//
// # Users
//
// Workloads are user and group [WorkloadUser], without capabilities and without a way to gain any: set-user-id
// files have no effect. In a sandbox without network, which is for functions, the agent is that user too,
// for functions run in its process. In a sandbox with network, which is for programs, it is [AgentUser],
// whom no program there is: it can become another user and end processes, and is told by
// [UserVariable] as whom to run programs.
//
// # Limits
//
// The control group of a sandbox holds all of its processes on the host. What the kernel inside needs for
// itself comes on top of the memory of the Settings: [Overhead]. Processes are counted inside, so that a
// fork bomb gets an error. Files are kept in memory by name and on disk by content: what bounds the number
// of files is the memory. A sandbox that is not given a control group has no bounds on memory and CPU.
//
// # On the host
//
// Below <Dir>/<id>, which only the node's user can enter:
//
//	instance.json   who the processes are, and what Adopt has to know
//	config.json     what runsc is told of the sandbox
//	output          the FIFO that the agent's output goes through
//	in              the staged files
//	state           of runsc
//	runsc.log       what it complains of, and panic.log: the kernel's last words
//
// and <Dir>/rootfs-<digest>, the shared root. With a network there is its endpoint, with control groups
// the group, both under the sandbox's id.
//
// # Without a node
//
// When the node is gone all goes on, but that nobody reads the output, of which the FIFO holds some, and that
// names are not resolved. The next node process takes a sandbox over by Adopt, or ends it by Sweep. Only runsc's
// parent is told how it ended, so the Exit of an adopted sandbox is not known, but for want of memory, which the
// control group has counted. When a sandbox ends while no node is there its processes do, too; its directory,
// group and network stay for Sweep.
//
// The shared root of an adopted sandbox, and the root of its image, must stay where they are until it ends: the
// first the driver keeps, the second whoever has given it.
//
// # Platform
//
// The platform is always systrap. It works wherever the others do; that /dev/kvm is there says nothing
// about its speed, and where it is itself emulated it is slower by orders of magnitude.
package gvisor
