package dnsproxy

import "golang.org/x/net/dns/dnsmessage"

// ListenBounded is Listen with another bound than MaxAsked.
var ListenBounded = listen

// Decode is what the proxy makes of a message from a client, and of one from a name server that answers it.
func Decode(ask, reply []byte) (code dnsmessage.RCode, refusal, upstream []byte, err error) {
	q, code, err := parseQuestion(ask)
	if err != nil {
		return 0, nil, nil, err
	}
	refusal = q.refusal(code)
	if code != dnsmessage.RCodeSuccess {
		return code, refusal, nil, nil
	}
	if upstream, err = q.upstream(7); err != nil {
		return code, refusal, nil, err
	}
	_, err = parseAnswer(q, 7, reply)
	return code, refusal, upstream, err
}
