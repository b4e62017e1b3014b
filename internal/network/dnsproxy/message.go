package dnsproxy

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// maxUDP is how long an answer over UDP may be; longer ones come over TCP.
	maxUDP = 1232
	// plainUDP is that for who does not say.
	plainUDP = 512
	// maxRecords bounds how many records of an answer are looked at.
	maxRecords = 256
)

// question is what a client asks.
type question struct {
	id   uint16
	ask  dnsmessage.Question
	name string // lower case, without a dot at its end
	rd   bool
	// udp is how long an answer the client takes, 0 if it does not say.
	udp int
}

// errMalformed is for messages that are no question, or no answer to ours.
var errMalformed = errors.New("the message is malformed")

// parseQuestion reads a question, and reports with which code it has to be refused. Without a usable
// header it is an error, and there is nothing to answer.
func parseQuestion(b []byte) (question, dnsmessage.RCode, error) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.Response {
		return question{}, 0, errMalformed
	}
	q := question{id: h.ID, rd: h.RecursionDesired}
	if h.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented, nil
	}
	ask, err := p.AllQuestions()
	if err != nil || len(ask) != 1 {
		return q, dnsmessage.RCodeFormatError, nil
	}
	q.ask = ask[0]
	q.name = canonical(q.ask.Name)
	if err := q.readOptions(&p); err != nil {
		return q, dnsmessage.RCodeFormatError, nil
	}
	switch {
	case q.ask.Class != dnsmessage.ClassINET, q.ask.Type >= typeIXFR: // transfers, mailboxes, ANY
		return q, dnsmessage.RCodeRefused, nil
	}
	return q, dnsmessage.RCodeSuccess, nil
}

// typeIXFR is the first of the types that are no records.
const typeIXFR dnsmessage.Type = 251

// readOptions looks for how long an answer may be.
func (q *question) readOptions(p *dnsmessage.Parser) error {
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return errMalformed
	}
	for range maxRecords {
		h, err := p.AdditionalHeader()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return nil
		case err != nil:
			return err
		}
		if h.Type == dnsmessage.TypeOPT {
			q.udp = min(max(int(h.Class), plainUDP), maxUDP)
		}
		if err := p.SkipAdditional(); err != nil {
			return err
		}
	}
	return errMalformed
}

// upstream is the question as a name server is asked, with nothing of the client's but what it wants to know.
func (q question) upstream(id uint16) ([]byte, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(q.ask); err != nil {
		return nil, err
	}
	if q.udp > 0 {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(q.udp, dnsmessage.RCodeSuccess, false); err != nil {
			return nil, err
		}
		if err := b.StartAdditionals(); err != nil {
			return nil, err
		}
		if err := b.OPTResource(h, dnsmessage.OPTResource{}); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// refusal answers the question with a code and no records.
func (q question) refusal(code dnsmessage.RCode) []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{
		ID: q.id, Response: true, RecursionDesired: q.rd, RecursionAvailable: true, RCode: code,
	})
	if q.ask.Type != 0 && b.StartQuestions() == nil {
		_ = b.Question(q.ask) // a name that was parsed can be packed
	}
	msg, err := b.Finish()
	if err != nil {
		return nil
	}
	return msg
}

// answer is what a name server said.
type answer struct {
	truncated bool
	addrs     []netip.Addr // of the question's name, IPv4
	names     []string     // that the question's name stands for
	ttl       time.Duration
}

// parseAnswer reads the answer b to q, which was asked with id. All of its first section has to be sound.
func parseAnswer(q question, id uint16, b []byte) (answer, error) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || !h.Response || h.ID != id {
		return answer{}, errMalformed
	}
	ask, err := p.AllQuestions()
	if err != nil || len(ask) != 1 || ask[0].Type != q.ask.Type || ask[0].Class != q.ask.Class || canonical(ask[0].Name) != q.name {
		return answer{}, errMalformed
	}
	a := answer{truncated: h.Truncated, ttl: maxTTL}
	for range maxRecords {
		r, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return a, nil
		}
		if err != nil || a.read(&p, r) != nil {
			return answer{}, errMalformed
		}
	}
	return answer{}, errMalformed
}

func (a *answer) read(p *dnsmessage.Parser, r dnsmessage.ResourceHeader) error {
	switch {
	case r.Class == dnsmessage.ClassINET && r.Type == dnsmessage.TypeA:
		body, err := p.AResource()
		if err != nil {
			return err
		}
		a.addrs = append(a.addrs, netip.AddrFrom4(body.A))
		a.ttl = min(a.ttl, time.Duration(r.TTL)*time.Second)
	case r.Class == dnsmessage.ClassINET && r.Type == dnsmessage.TypeCNAME:
		body, err := p.CNAMEResource()
		if err != nil {
			return err
		}
		a.names = append(a.names, canonical(body.CNAME))
	default:
		return p.SkipAnswer()
	}
	return nil
}

func canonical(n dnsmessage.Name) string {
	return strings.TrimSuffix(strings.ToLower(n.String()), ".")
}
