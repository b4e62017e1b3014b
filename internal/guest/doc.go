// Package guest is what a node and the init of a microVM say to each other, over one stream of bytes.
//
// The node's end is a [Session], which [Connect] begins; the init's end is a [Node], which [Accept] begins.
// What carries the stream is the caller's: a virtio-serial port named [PortName], or vsock's port [VsockPort].
//
// # Synchronization
//
// A serial port knows no connections: what an earlier node process had not read, or had sent in part, is still
// in it. So a session begins with
//
//	node → init   padding; a magic number; a nonce; the version
//	init → node   another magic number; the same nonce; the version
//
// and each end discards all that comes before what it waits for. The padding is longer than any frame, and is no
// frame: an init that has not noticed that the node was away, and still has the earlier session, finds out by it.
// Nothing is proved by that: who is at the other end of the stream is the node, or what runs in the VM, whoever
// that is. What matters is proved by the hello of agentlink.
//
// # Messages
//
// Then the stream is one of yamux, with the node as its client. Each of its streams begins with a request. The
// node asks for boot, state, stage and configure, and gets a reply; the bytes of a file that is staged
// follow the request. The init says ended, and gets a reply; and link, after which the stream is a connection to
// the node's socket. Requests and replies are JSON, with their length before them: four bytes, the highest first.
//
// The node does not trust what a VM says: it is bounded, checked, and at worst ends the session.
//
// Everything exported is safe for concurrent use.
package guest
