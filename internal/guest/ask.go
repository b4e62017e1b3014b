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

// ask sends a request, and after it what the body has, if there is one, and returns the reply. It takes hardly longer than
// ctx lives, whatever the VM does.
func (s *Session) ask(ctx context.Context, q request, body *io.LimitedReader) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, context.Cause(ctx)
	}
	done := make(chan answered, 1)
	go func() {
		a, err := s.exchange(ctx, q, body)
		done <- answered{a, err}
	}() // ends with the session, at the latest
	var r answered
	select {
	case r = <-done:
	case <-ctx.Done():
		r = s.giveUp(done)
	}
	switch {
	case ctx.Err() != nil:
		return reply{}, context.Cause(ctx)
	case r.err != nil && s.mux.IsClosed():
		return reply{}, ErrSessionOver
	}
	return r.reply, r.err
}

// endPatience is how long what was asked may take to end once its time is over. It waits for the VM only if that has
// stopped in the middle of a frame, or reads nothing.
const endPatience = time.Second

// giveUp returns when what was asked has ended, and ends the session should that be the only way.
func (s *Session) giveUp(done <-chan answered) answered {
	timer := time.NewTimer(endPatience)
	defer timer.Stop()
	select {
	case r := <-done:
		return r
	case <-timer.C:
	}
	_ = s.mux.Close() // it never fails
	return <-done     // or who has asked would find that a body is still read
}

// exchange opens a stream for a request, and returns the reply.
func (s *Session) exchange(ctx context.Context, q request, body *io.LimitedReader) (reply, error) {
	stream, err := s.mux.OpenStream()
	if err != nil {
		return reply{}, ErrSessionOver
	}
	defer abort(stream)
	defer while(ctx, stream)()
	return converse(stream, q, body)
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
