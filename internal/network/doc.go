// Package network gives sandboxes a network: each a namespace of its own with one interface, an address,
// a way out through this machine's addresses, and a policy of where it may connect to. It runs on Linux
// only, needs root, netlink and nftables, and no other program.
//
// # Topology
//
// Each sandbox has a pair of connected interfaces and shares no link with another: the end inside has the
// sandbox's address, the end outside the gateway's, and routes lead to one address each. Packets between
// the sandbox and elsewhere are forwarded by the kernel; they leave with the address of the machine.
// Inside there is no IPv6, and outside a sandbox's interface takes none.
//
//	192.168.127.7/32 veth0 ──── nexab12-7 192.168.127.1/32 ──── forwarding, nftables ──── uplinks
//
// # What a sandbox can reach
//
//   - the gateway: its DNS port, the ports of [Manager.Expose], and nothing else of the machine, whatever
//     the address;
//   - no other sandbox;
//   - elsewhere what the policy of node and workload allows, over TCP, UDP and ping. See package policy.
//
// What is not allowed is refused with a reset or an ICMP error, so that programs fail at once; packets
// with an address that is not the sandbox's, or to loopback, are dropped. A policy counts for new
// connections: those that are there go on, until the sandbox is detached.
//
// Host names in a policy work through the name proxy at the gateway, which the sandbox has to use: see
// package dnsproxy. A list that allows only some addresses allows no names. What the proxy learns is
// forgotten when the policy is replaced. To deny a name keeps a sandbox
// from resolving it, and the addresses that the name led to from being reached on the ports of the rule;
// whoever knows an address by other means is stopped by a rule about addresses only.
//
// A sandbox has at most 4096 connections at a time, since the kernel's table of them is the machine's, and
// asks at most 256 names a second. Questions over UDP are not among the connections; the table keeps each for
// half a minute, so that they take at most some 8000 entries more.
//
// # What ends with a sandbox
//
// A sandbox that is killed cannot say goodbye, and who has a TCP connection with it would learn of that only
// after minutes. When its endpoint is closed, or what is left of it removed, the connections that programs
// in the node's network namespace have with its address are therefore aborted: what has come can still be
// read, then there is an error. This takes a kernel with CONFIG_INET_DIAG_DESTROY, as those of distributions
// are; without it they wait. Those on other machines, and in other network namespaces of this one, as in
// containers, have to wait for their own timeouts: only they and the sandbox know how far the connection was.
//
// # When the node is away
//
// What a sandbox may reach is in the kernel, so that it holds when the node ends without closing the sandbox's
// endpoint: connections go on, new ones are made by the same rules, and what was exposed stays so. There are no
// names meanwhile, and what they led to is forgotten in its time, as when a program does not ask again. The next
// process with the node's name finds its sandboxes by their interfaces, lays a table with the same rules beside the
// old one, and then removes that; what a policy is made of it reads from /run/nex-network/<node>/<sandbox>, a file
// with a version and a checksum. A sandbox of which that cannot be read makes no new connections until it is
// adopted. The count of a sandbox's connections begins anew. New routes are not followed while the node is away.
//
// A node that was killed leaves the ports of its name proxy in the table, which another program of the machine may
// get until the node is back: it could answer questions of sandboxes, but not open a rule. [Manager.Leave] takes
// them out.
//
// # What is changed on the machine
//
// Interfaces, namespaces and one nftables table that carry the node's name, and the forwarding of IPv4,
// which is turned on for these interfaces and for those that routes lead through (the uplinks), each by
// itself. Where forwarding is on for the whole machine nothing is changed; where it is not, the table
// drops what would now be forwarded from an uplink to elsewhere than a sandbox, and Close turns it off
// again. Once somebody else turns it on for the whole machine, as container engines and VPNs do, nothing is
// dropped any more but what is for sandboxes; once it is turned off, all is as before. The directory
// /run/nex-network and the empty file /run/nex-network.lock, which nodes lock while they start and end, stay.
// Tables of others, and their rules, are left alone: a firewall that drops forwarded packets by default drops
// those of sandboxes, too, and Open logs that it is there.
//
// # CNI
//
// If a CNI network of the configured name exists its plugins make the interfaces instead. Then reaching the
// machine, other sandboxes and elsewhere is as that network has it: policies with rules are refused rather
// than ignored, nothing can be exposed, and there is no gateway. No connections are ended with a sandbox,
// since the same address may be another's elsewhere on the machine.
package network
