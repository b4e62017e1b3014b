// Package vminit is the first process of a microVM: it makes the VM ready, starts the agent, does what the node
// asks of it (package guest), and ends the VM when the agent ends.
//
// It is started in one of two ways. As /init of an initramfs it loads the modules that are there, and makes the
// file system on the first disk the root. As the init= of a kernel that has all built in it finds that already
// mounted. From there on both are the same:
//
//   - The root is an overlay: the first disk, read-only, below the second, which is empty and takes what is written.
//     A third disk, if there is one, has the root of a container image, and takes the first one's place, but for
//     the directory of nex. The agent then is a user that no image has, and as the image's program may be root
//     without capabilities, what is root's and it could misuse is read-only or out of its reach: shield does that.
//   - /proc, /sys, cgroup version 2, /dev and /run are there; /tmp is on the disk.
//   - What the agent does not need to begin, such as the drivers of network and port, follows when it has.
//   - The agent is started as user nex, in a control group, and waits for its bootstrap document. A VM with a network
//     interface is one whose agent runs programs, so that it gets the capabilities that this takes.
//   - The node boots the VM: clock, entropy, name, network and limits are set, then the agent has its document.
//     So all VMs are the same before, and one that was saved then can be started many times.
//   - When the agent has ended the init says how, kills everything, writes what is to be written, and restarts the
//     machine, which a VMM takes as its end: not all machines have a way to power off.
//
// A VM whose initramfs has a script (guest.ScriptPath) has no agent: the script is run as root in the file system of the
// first disk, which it can write to and nothing lies on top of, and how it ends is said on the console.
//
// What the agent prints goes to the console by way of the init, which keeps some of it while nobody reads there, and drops
// the oldest lines of what is more (guest.DroppedLine): neither the agent nor the end of the VM waits for a reader.
//
// What goes wrong is said in a sentence on the console, and ends the VM. Should the init itself fail the kernel
// panics, which restarts the machine at once.
package vminit
