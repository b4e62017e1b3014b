package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// ask sends a request, and after it what the body has, if there is one, and returns the reply.
func (s *Session) ask(ctx context.Context, q request, body *io.LimitedReader) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, context.Cause(ctx)
	}
	stream, err := s.mux.OpenStream()
	if err != nil {
		return reply{}, ErrSessionOver
	}
	defer abort(stream)
	defer while(ctx, stream)()
	a, err := converse(stream, q, body)
	switch {
	case ctx.Err() != nil:
		return reply{}, context.Cause(ctx)
	case err != nil && s.mux.IsClosed():
		return reply{}, ErrSessionOver
	}
	return a, err
}

func converse(stream net.Conn, q request, body *io.LimitedReader) (reply, error) {
	if err := writeMessage(stream, q); err != nil {
		return reply{}, err
	}
	// The init may refuse before it has read all.
	replied := make(chan answered, 1)
	go func() {
		a, err := readAnswer(stream)
		_ = stream.SetWriteDeadline(time.Unix(1, 0)) // on a stream that is gone all fails
		replied <- answered{a, err}
	}() // ends with the stream, at the latest
	var sending error
	if body != nil {
		if sending = send(stream, body); sending != nil {
			_ = stream.Close() // the init sees that there is no more, and answers
		}
	}
	r := <-replied
	if sending != nil && !errors.Is(sending, yamux.ErrTimeout) {
		return reply{}, sending
	}
	return r.reply, r.err
}

type answered struct {
	reply reply
	err   error
}

// readAnswer reads a reply, of which an error is the init's.
func readAnswer(r io.Reader) (reply, error) {
	a, err := readReply(r)
	switch {
	case err != nil:
		return reply{}, fmt.Errorf("the init's answer: %w", unexpected(err))
	case a.Error != "":
		return reply{}, errors.New(a.Error)
	}
	return a, nil
}

// send sends the whole of what the body says that it has.
func send(stream io.Writer, body *io.LimitedReader) error {
	if err := forward(stream, body); !errors.Is(err, io.EOF) {
		return err
	}
	if body.N > 0 {
		return fmt.Errorf("it is %d bytes shorter than it should be", body.N)
	}
	return nil
}
