package agentlink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"time"
)

// SocketName is the unix socket in the directory of an agent's link.
//
// A connection begins with a hello, in which both ends prove that they know the token of the Bootstrap, without
// telling it: who else can make a socket in that directory while the node is away gets nothing from an agent.
//
//	agent → node   what the connection is for, one byte; a nonce
//	node → agent   a nonce; the node's proof
//	agent → node   the agent's proof
//
// A proof is the HMAC-SHA256, with the token as its key, of the name of the end that proves, what the connection
// is for, and both nonces. Then the node answers a connection for calls with one byte, HelloTaken, when calls can
// come, and one for compiled code when that can.
const SocketName = "link.sock"

// What a connection is for.
const (
	PurposeNATS  byte = 'N' // the internal NATS server
	PurposeCalls byte = 'C' // a [Stream]
	// PurposeCompiled is to give the node compiled code: [Conn.SendCompiled].
	PurposeCompiled byte = 'K'
)

// TokenBytes is the length of a token.
const TokenBytes = 26

// HelloTaken is the node's answer to the hello of a connection for calls, or for compiled code.
const HelloTaken byte = '+'

// maxSocketPath is how long the path of a unix socket may be on every system.
const maxSocketPath = 103

// ListenSocket makes the socket in a directory. The caller removes the directory after it has closed the
// listener.
func ListenSocket(dir string) (*net.UnixListener, error) {
	path, release, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer release()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err == nil {
		l.SetUnlinkOnClose(false) // the path may mean something else then
	}
	return l, err
}

// connect connects to the socket of the bootstrap document for a purpose, while ctx lives.
func connect(ctx context.Context, b Bootstrap, purpose byte) (net.Conn, error) {
	if len(b.Token) != TokenBytes {
		return nil, errors.New("the token of the bootstrap document is malformed")
	}
	path, release, err := socketPath(b.LinkDir)
	if err != nil {
		return nil, err
	}
	defer release()
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := SayHello(conn, purpose, b.Token); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// connectCalls opens a stream for calls.
func connectCalls(b Bootstrap) (*Stream, error) {
	conn, err := connect(context.Background(), b, PurposeCalls)
	if err != nil {
		return nil, fmt.Errorf("connect to node for calls: %w", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(helloTimeout))
	if err := awaitTaken(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to node for calls: %w", err)
	}
	_ = conn.SetReadDeadline(time.Time{})
	return NewStream(Quiet(conn), math.MaxInt), nil // what waits is bounded by the calls under way
}

// natsDialer lets a NATS client connect by the socket.
type natsDialer struct {
	ctx       context.Context
	bootstrap Bootstrap
}

// Dial implements nats.CustomDialer.
func (d natsDialer) Dial(string, string) (net.Conn, error) {
	return connect(d.ctx, d.bootstrap, PurposeNATS)
}

// Gone reports whether the directory of an agent's link has been removed: no node will ever listen there again.
func Gone(b Bootstrap) bool {
	info, err := os.Stat(b.LinkDir)
	return errors.Is(err, fs.ErrNotExist) || err == nil && removed(info)
}
