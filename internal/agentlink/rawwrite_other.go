//go:build !unix

package agentlink

import "net"

// rawWriter would write to a connection without waiting.
type rawWriter struct{}

func newRawWriter(net.Conn) *rawWriter { return nil }

func (*rawWriter) write([]byte) int { return 0 }
