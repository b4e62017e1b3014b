// Package cgroup holds processes in control groups of linux, of version 1, of version 2, or of both at
// once: it bounds what they take of the machine, counts which of them the kernel has killed for want of
// memory, and ends all of them, so that none is left.
//
// A [Manager] is a node's. It has one group of its own in each hierarchy, named by [Config.Prefix], below
// the group that the node is in (version 2: or below the nearest one above that the kernel lets have
// children with limits), and in this a group for each sandbox. So what bounds the node bounds its
// sandboxes. A [Group] is one sandbox's:
//
//	group, err := manager.Create(id, limits)
//	err = group.Start(cmd)       // in the group from its first instruction
//	err = group.Set(others)      // all or nothing
//	n, err := group.OOMKills()
//	err = group.Kill(ctx)        // nothing is left in it
//	err = group.Remove(ctx)
//
// A node that ends and leaves its sandboxes running calls [Manager.Leave]; the next one takes their groups over by
// [Manager.Adopt], and removes the others by [Manager.Sweep].
//
// Where groups cannot be made, because the system has none or the node lacks the rights, everything
// works but nothing is bounded: [Manager.Limits] is empty and says why, a Group without limits holds
// nobody, and one that is asked for limits is refused.
//
// What escapes: a process with the rights of root that sees the hierarchies can move itself elsewhere.
// Whoever runs programs that are not trusted gives them neither.
//
// Of the library github.com/containerd/cgroups only the parser is used. Its groups cannot lift a limit
// again (memory together with swap, processes), leave things half changed on an error, wait for the
// freezer without an end, and cannot put the calling thread alone into a group the cheap way.
//
// All is safe for concurrent use, but that nothing else may be called on a Manager with its Close or Leave, or after.
package cgroup
