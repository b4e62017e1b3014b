package control

import (
	"errors"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
)

// handler answers one operation. A nil answer without error means silence. An answer of type later
// is worked on in a goroutine of its own, so that the next request need not wait for it.
type handler func(r nex.Request, body []byte) (any, error)

// later is the rest of a request that takes its time.
type later func() (any, error)

// endpoint makes a micro handler of an operation's handler. What is refused before anything slow
// begins is answered, and counted, by the micro service itself.
func (s *Service) endpoint(op nex.Op, handle handler) micro.Handler {
	responseType := nex.ResponseType(op)
	return micro.HandlerFunc(func(req micro.Request) {
		answer, err := s.handle(handle, req)
		if slow, ok := answer.(later); ok && err == nil {
			s.group.Go(func() {
				select {
				case s.slots <- struct{}{}:
					defer func() { <-s.slots }()
				case <-s.ctx.Done():
					return
				}
				answer, err := slow()
				s.respondLater(req, responseType, answer, err)
			})
			return
		}
		s.respond(req, responseType, answer, err)
	})
}

func (s *Service) handle(handle handler, req micro.Request) (any, error) {
	if len(req.Data()) > nex.MaxRequestBytes {
		return nil, nex.Errorf(nex.CodeRequestTooLarge, "the request has %d bytes, more than the %d allowed", len(req.Data()), nex.MaxRequestBytes)
	}
	r, err := nex.ParseRequest(req.Subject())
	if err != nil {
		return nil, err
	}
	return handle(r, req.Data())
}

func (s *Service) respond(req micro.Request, responseType string, answer any, err error) {
	if answer == nil && err == nil {
		return
	}
	body, err := s.encode(req.Subject(), responseType, answer, err)
	if err != nil {
		err = req.Error(status(err), err.Error(), body)
	} else {
		err = req.Respond(body)
	}
	s.unanswered(req.Subject(), err)
}

// respondLater answers past the micro service, whose requests must be answered before their handler
// returns.
func (s *Service) respondLater(req micro.Request, responseType string, answer any, err error) {
	body, err := s.encode(req.Subject(), responseType, answer, err)
	msg := &nats.Msg{Subject: req.Reply(), Data: body}
	if err != nil {
		msg.Header = nats.Header{micro.ErrorHeader: {err.Error()}, micro.ErrorCodeHeader: {status(err)}}
	}
	if req.Reply() == "" {
		return
	}
	s.unanswered(req.Subject(), s.cfg.Conn.PublishMsg(msg))
}

// encode returns the body of an answer, and the error that it carries, if any.
func (s *Service) encode(subject, responseType string, answer any, err error) ([]byte, error) {
	if err == nil {
		body, encodeErr := nex.EncodeReply(responseType, answer)
		if encodeErr == nil {
			return body, nil
		}
		err = encodeErr
	}
	if nex.CodeOf(err) == nex.CodeInternal {
		s.cfg.Logger.Error("request failed", "subject", subject, "error", err)
	} else {
		s.cfg.Logger.Info("request refused", "subject", subject, "code", nex.CodeOf(err), "error", err)
	}
	return nex.EncodeError(responseType, err), err
}

// unanswered notes an answer that could not be sent. Requests without reply subject want none.
func (s *Service) unanswered(subject string, err error) {
	if err != nil && !errors.Is(err, nats.ErrMsgNoReply) && !errors.Is(err, nats.ErrInvalidMsg) {
		s.cfg.Logger.Warn("answer was not sent", "subject", subject, "error", err)
	}
}

func status(err error) string { return strconv.Itoa(nex.CodeOf(err).Status()) }
