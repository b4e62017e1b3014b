//go:build !linux

package agentlink

import "net"

// Quiet would return a connection that wakes its owner less often.
func Quiet(conn net.Conn) net.Conn { return conn }
