// Package process is the sandbox driver of level none: an agent is an ordinary process of the
// node's user. It keeps agents apart only by convention, and is for development, for machines at
// the edge that run one owner's programs, and for systems that have nothing stronger.
//
// What a sandbox is made of, all below <Dir>/<id>, which only the node's user can enter:
//
//	instance.json   who the agent's process is, for Sweep, and how it is bounded, for Adopt
//	output          the FIFO for what the agent prints
//	artifact        the staged file; compiled is another
//	work            working directory and home of the agent
//	tmp             its TMPDIR
//
// Where control groups can be made the agent has one of its own ([Config.Cgroups], package cgroup). It
// bounds memory, processors and processes; a limit of open files is given to the agent's process at its
// start. Both hold for programs that do not use the rights of root against them, which at this level a
// program has if the node has them. Disk and network are the machine's own and not bounded.
//
// The agent starts with an empty environment but for PATH, HOME, TMPDIR and [AgentIDVariable], and
// with no open files but standard input (the bootstrap document), output and error (its log). It
// leads a session of its own. It is expected to be the subreaper of its workload, and to hand
// [AgentIDVariable] on to it: by these, and by its control group, the driver finds whatever a workload
// started. What it cannot find without a group is told in package proctree.
//
// An agent goes on when its node is killed, or leaves it running, and so does its workload. The next node process
// takes it over, but on windows, where all that a node has started ends with it. Nobody reads what the agent
// prints meanwhile: see [sandboxdir.Output] for what becomes of that.
package process
