//go:build !unix

package agentlink

import "net"

// directWriter would return what writes to the connection without waiting.
func directWriter(net.Conn) tryWriter { return nil }
