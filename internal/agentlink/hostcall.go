package agentlink

import (
	"time"

	"github.com/nex-engine/nex/internal/hostapi"
)

// AppendHostRequest appends the frame of a host service request to b, whose service and method are in
// the subject that it is sent on:
//
//	timeout in nanoseconds | metadata | body
func AppendHostRequest(b []byte, r hostapi.Request, timeout time.Duration) []byte {
	b = appendUint(b, uint64(max(timeout, 0)))
	b = appendString(b, string(r.Meta))
	return append(b, r.Body...)
}

// ParseHostRequest is the inverse of AppendHostRequest. The body is part of b; service and method are
// left empty.
func ParseHostRequest(b []byte) (hostapi.Request, time.Duration, error) {
	p := parser{rest: b}
	timeout := p.duration()
	r := hostapi.Request{Meta: p.bytes()}
	r.Body = p.rest
	return r, timeout, p.finish("host service request")
}

// AppendHostResponse appends the frame of an answer to a host service request to b; one of r and
// failure counts:
//
//	code, empty for success | message | metadata | body
func AppendHostResponse(b []byte, r hostapi.Response, failure *hostapi.Error) []byte {
	if failure != nil {
		b = appendString(b, string(failure.Code))
		b = appendString(b, failure.Message)
		return appendString(b, "")
	}
	b = append(b, 0, 0)
	b = appendString(b, string(r.Meta))
	return append(b, r.Body...)
}

// ParseHostResponse is the inverse of AppendHostResponse. The error is an [*hostapi.Error], also when
// the frame is malformed. The body is part of b.
func ParseHostResponse(b []byte) (hostapi.Response, error) {
	p := parser{rest: b}
	code, message := p.string(), p.string()
	r := hostapi.Response{Meta: p.bytes()}
	r.Body = p.rest
	if err := p.finish("host service answer"); err != nil {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInternal, "%v", err)
	}
	if code != "" {
		return hostapi.Response{}, &hostapi.Error{Code: hostapi.Code(code), Message: message}
	}
	return r, nil
}
