// Package rootfs builds the root file system of sandboxes: the agent and the init that starts it, what programs
// look for in /etc, and the mount points, alone or on top of a base. It comes as an ext4 image, packed or not, that
// virtual machines share, or as a directory.
//
// # What is in it
//
//   - /usr/lib/nex with the init and the agent.
//   - /etc/passwd and /etc/group with the users of package guest, before those of the base.
//   - /etc/hosts, and an empty /etc/resolv.conf, for the init to write over.
//   - /etc/nsswitch.conf, and the certificates that this machine trusts, if the base has none.
//   - /home/nex, the home of the agent's user, and /work, that of the workload's.
//   - /proc, /sys, /dev, /run and /tmp, with nothing in them.
//
// # Bases
//
// A base is an image in a registry, in an OCI layout, or in what docker save writes; a tar archive of a root
// directory; or a directory. Archives are unpacked into a directory first, under the rules of package
// image/rootfs: nothing outside of it is touched whatever they say. Set-user-id bits, file capabilities and other
// extended attributes are dropped, device nodes and pipes are left out. Who is not root cannot keep owners: then all of the
// base is root's.
//
// # Reproducible
//
// The same programs, certificates and base give the same bytes. What is not from a file has the time 1970-01-01.
//
// # Concurrency
//
// Builds are independent of each other. Of two to the same output the later one wins.
package rootfs
