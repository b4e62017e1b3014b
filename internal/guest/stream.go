package guest

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// abort ends both directions of a stream at once, whoever waits for it; what was written is still sent. A stream
// that is only closed could be read until the other end closes it too.
func abort(stream net.Conn) {
	_ = stream.SetDeadline(time.Unix(1, 0)) // on a stream that is gone all fails
	_ = stream.Close()                      // as above
}

// join copies between two connections, and closes both when either ends. What the one has sent before its end the
// other gets.
func join(a, b net.Conn) {
	var group sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		group.Go(func() {
			_ = forward(way[0], way[1]) // whatever ended it, it is over
			abort(a)
			abort(b)
		})
	}
	group.Wait()
}

// forward copies what comes, in pieces that fit a frame.
func forward(to io.Writer, from io.Reader) error {
	buffer := make([]byte, maxWrite)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// while makes ctx end a stream; the caller calls stop.
func while(ctx context.Context, stream net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { abort(stream) })
}
