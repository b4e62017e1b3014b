package wasm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/nex-engine/nex/internal/hostapi"
)

// Results of nex.request.
const (
	requestDone   = 0
	requestFailed = 1 // the answer's metadata is a hostapi.Error
)

// maxWord bounds the names of services and methods.
const maxWord = 64

// request performs a host service request. What it is given lies in the guest's memory, which the
// host must not see: it may look at a request after the call has ended and the memory is another's.
func (c *call) request(service, method, meta, body []byte) uint64 {
	c.answer = hostapi.Response{}
	answer, err := c.ask(service, method, meta, body)
	c.goOn()
	if err == nil {
		c.answer = answer
		return requestDone
	}
	e, ok := errors.AsType[*hostapi.Error](err)
	if !ok {
		e = hostapi.Errorf(hostapi.CodeInternal, "%v", err)
	}
	c.answer.Meta, err = json.Marshal(e)
	if err != nil {
		panic(err) // two strings always encode
	}
	return requestFailed
}

func (c *call) ask(service, method, meta, body []byte) (hostapi.Response, error) {
	switch {
	case len(service) > maxWord || len(method) > maxWord:
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInvalid, "the name of a service or a method has more than %d bytes", maxWord)
	case len(meta)+len(body) > hostapi.MaxMessageBytes:
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeTooLarge,
			"a request has %d bytes, more than the %d that it may have", len(meta)+len(body), hostapi.MaxMessageBytes)
	case len(meta) > 0 && !json.Valid(meta):
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInvalid, "a request's metadata is not JSON")
	}
	return c.slot.runtime.cfg.Host.Request(c, hostapi.Request{
		Service: string(service), Method: string(method),
		Meta: bytes.Clone(meta), Body: bytes.Clone(body),
	})
}

// appendField appends a length as a 32-bit number, lowest byte first, and then the text.
func appendField(out []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(text))), text...)
}
