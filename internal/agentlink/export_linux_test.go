package agentlink

import "net"

// Woken reports whether the owner of a connection that Quiet has made would be woken to read. Nobody reads
// from it.
func Woken(conn net.Conn) (woken bool) {
	_ = conn.(*quietConn).arrived.raw.Control(func(epoll uintptr) { woken = ask(int(epoll)) })
	return woken
}
