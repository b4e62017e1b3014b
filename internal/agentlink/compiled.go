package agentlink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// MaxCompiledBytes bounds what an agent gives to its node of what it has compiled.
const MaxCompiledBytes = 64 << 20

// compiledTimeout bounds how long that takes.
const compiledTimeout = 30 * time.Second

// On a connection for compiled code the node says HelloTaken when it wants it. Then come the number of its
// bytes, eight bytes with the highest first, and these. The node says HelloTaken once more when it has kept
// them; otherwise it closes the connection.

// SendCompiled gives the node what was compiled, so that the agents to come need not. An agent whose
// DeployReply has said so may do it once. It returns when the node has kept it.
func (c *Conn) SendCompiled(ctx context.Context, compiled []byte) error {
	err := c.sendCompiled(ctx, compiled)
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, io.EOF):
		err = errors.New("the node does not take it")
	}
	if err != nil {
		return fmt.Errorf("give compiled code to the node: %w", err)
	}
	return nil
}

func (c *Conn) sendCompiled(ctx context.Context, compiled []byte) error {
	size := int64(len(compiled))
	if size < 1 || size > MaxCompiledBytes {
		return errCompiledSize(size)
	}
	conn, err := connect(ctx, c.bootstrap, PurposeCompiled)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(compiledTimeout)) // on a connection that is gone all fails
	if err := awaitTaken(conn); err != nil {
		return err
	}
	if _, err := conn.Write(binary.BigEndian.AppendUint64(nil, uint64(size))); err != nil {
		return err
	}
	if _, err := conn.Write(compiled); err != nil {
		return err
	}
	return awaitTaken(conn)
}

func awaitTaken(conn net.Conn) error {
	taken := make([]byte, 1)
	if _, err := io.ReadFull(conn, taken); err != nil {
		return err
	}
	if taken[0] != HelloTaken {
		return errors.New("the node refused")
	}
	return nil
}

// TakeCompiled is the node's end of SendCompiled, after the hello: keep reads what comes, size bytes, and
// gets an error from r if there are fewer.
func TakeCompiled(conn net.Conn, keep func(r io.Reader, size int64) error) error {
	_ = conn.SetDeadline(time.Now().Add(compiledTimeout)) // on a connection that is gone all fails
	if _, err := conn.Write([]byte{HelloTaken}); err != nil {
		return err
	}
	if err := ReadCompiled(conn, keep); err != nil {
		return err
	}
	_, err := conn.Write([]byte{HelloTaken})
	return err
}

// ReadCompiled reads what SendCompiled sends.
func ReadCompiled(r io.Reader, keep func(r io.Reader, size int64) error) error {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return unexpected(err)
	}
	size := int64(binary.BigEndian.Uint64(head[:]))
	if size < 1 || size > MaxCompiledBytes {
		return errCompiledSize(size)
	}
	return keep(&exactly{r, size}, size)
}

func errCompiledSize(size int64) error {
	return fmt.Errorf("compiled code has %d bytes, and may have from 1 to %d", size, MaxCompiledBytes)
}

// exactly reads so many bytes, and fails if there are fewer.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(b[:min(int64(len(b)), e.left)])
	e.left -= int64(n)
	if e.left == 0 {
		err = nil
	}
	return n, unexpected(err)
}
