package control

import (
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
		if problem := replyProblem(op, req.Reply()); problem != "" {
			s.cfg.Logger.Info("request ignored: "+problem, "subject", req.Subject(), "reply", req.Reply())
			return
		}
		if !s.enter() {
			s.respondClosed(req, responseType)
			return
		}
		answer, err := s.handle(handle, req)
		if slow, ok := answer.(later); ok && err == nil {
			go func() {
				defer s.group.Done()
				answer, err := slow()
				s.respondLater(req, responseType, answer, err)
			}()
			return
		}
		defer s.group.Done()
		s.respond(req, responseType, answer, err)
	})
}

// replyProblem says why a request with a reply subject is not looked at; it is empty if nothing speaks against it.
// What changes something has one: clients wait for the answer, and a message without one may be the answer of somebody
// else, who was told to reply here.
func replyProblem(op nex.Op, reply string) string {
	changes := op == nex.OpDeploy || op == nex.OpStop || op == nex.OpLameDuck
	switch {
	case reply == "" && changes:
		return "it has no reply subject"
	case reply != "" && !nex.MayAnswer(reply):
		return "its reply subject is none that may be answered"
	}
	return ""
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
	switch {
	case err != nil: // also without reply subject: the micro service counts it then
		err = req.Error(status(err), err.Error(), body)
	case req.Reply() != "":
		err = req.Respond(body)
	}
	s.unanswered(req, err)
}

// respondLater answers past the micro service, whose requests must be answered before their handler
// returns.
func (s *Service) respondLater(req micro.Request, responseType string, answer any, err error) {
	body, err := s.encode(req.Subject(), responseType, answer, err)
	if req.Reply() == "" {
		return
	}
	msg := &nats.Msg{Subject: req.Reply(), Data: body}
	if err != nil {
		msg.Header = nats.Header{micro.ErrorHeader: {err.Error()}, micro.ErrorCodeHeader: {status(err)}}
	}
	s.unanswered(req, s.cfg.Conn.PublishMsg(msg))
}

// respondClosed answers a request that came too late. Only who asked for this node is told; others
// hear from the nodes that stay.
func (s *Service) respondClosed(req micro.Request, responseType string) {
	if r, err := nex.ParseRequest(req.Subject()); err == nil && r.Node != "" {
		s.respond(req, responseType, nil, errStopping())
	}
}

func errStopping() error {
	return nex.Errorf(nex.CodeLameDuck, "the node is stopping: choose another node")
}

// encode returns the body of an answer, and the error that it carries, if any.
func (s *Service) encode(subject, responseType string, answer any, err error) ([]byte, error) {
	if err == nil {
		var body []byte
		if body, err = s.encodeAnswer(responseType, answer); err == nil {
			return body, nil
		}
	}
	if nex.CodeOf(err) == nex.CodeInternal {
		s.cfg.Logger.Error("request failed", "subject", subject, "error", err)
	} else {
		s.cfg.Logger.Info("request refused", "subject", subject, "code", nex.CodeOf(err), "error", err)
	}
	return nex.EncodeError(responseType, err), err
}

// encodeAnswer fails when the answer is too large to be sent: who asks hears that at least.
func (s *Service) encodeAnswer(responseType string, answer any) ([]byte, error) {
	body, err := nex.EncodeReply(responseType, answer)
	if err != nil {
		return nil, err
	}
	if most := s.cfg.Conn.MaxPayload(); int64(len(body)) > most {
		return nil, nex.Errorf(nex.CodeInternal, "the answer has %d bytes, more than the %d that the NATS server lets through: raise its max_payload", len(body), most)
	}
	return body, nil
}

// unanswered notes an answer that could not be sent. Requests without reply subject want none.
func (s *Service) unanswered(req micro.Request, err error) {
	if err != nil && req.Reply() != "" {
		s.cfg.Logger.Warn("answer was not sent", "subject", req.Subject(), "error", err)
	}
}

func status(err error) string { return strconv.Itoa(nex.CodeOf(err).Status()) }
