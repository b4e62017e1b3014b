//go:build wasip1

package guest

import (
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"time"
	"unsafe"
)

// The imports; see README.md.

//go:wasmimport nex subject
func hostSubject(p unsafe.Pointer, room uint32) uint32

//go:wasmimport nex payload
func hostPayload(p unsafe.Pointer, room uint32) uint32

//go:wasmimport nex headers
func hostHeaders(p unsafe.Pointer, room uint32) uint32

//go:wasmimport nex id
func hostID(p unsafe.Pointer, room uint32) uint32

//go:wasmimport nex deadline
func hostDeadline() int64

//go:wasmimport nex reply
func hostReply(p unsafe.Pointer, n uint32)

//go:wasmimport nex reply_header
func hostReplyHeader(name unsafe.Pointer, nameLen uint32, value unsafe.Pointer, valueLen uint32)

//go:wasmimport nex fail
func hostFail(status int32, p unsafe.Pointer, n uint32)

//go:wasmimport nex log
func hostLog(level int32, p unsafe.Pointer, n uint32)

//go:wasmimport nex request
func hostRequest(service unsafe.Pointer, serviceLen uint32, method unsafe.Pointer, methodLen uint32,
	meta unsafe.Pointer, metaLen uint32, body unsafe.Pointer, bodyLen uint32) uint32

//go:wasmimport nex response_meta
func hostResponseMeta(p unsafe.Pointer, room uint32) uint32

//go:wasmimport nex response_body
func hostResponseBody(p unsafe.Pointer, room uint32) uint32

//go:wasmexport nex_handle
func handle() int32 {
	if handler == nil {
		fail(500, "the function has not called guest.Handle in an init function")
		return 1
	}
	if !serve(handler) {
		return 1
	}
	return 0
}

// exit ends the command.
func exit(status int) { os.Exit(status) }

// pointer is where b lies, and something for nothing.
func pointer(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}

// fetch reads something of a length that only the host knows: it asks with a guess first.
func fetch(read func(unsafe.Pointer, uint32) uint32, guess int) []byte {
	b := make([]byte, guess)
	for {
		n := read(pointer(b))
		if int(n) <= len(b) {
			return b[:n]
		}
		b = make([]byte, n)
	}
}

func receive() (Call, error) {
	header, err := decodeHeader(fetch(hostHeaders, 0))
	c := Call{
		ID:      string(fetch(hostID, 64)),
		Subject: string(fetch(hostSubject, 128)),
		Header:  header,
		Payload: fetch(hostPayload, 512),
	}
	if ns := hostDeadline(); ns != 0 {
		c.Deadline = time.Unix(0, ns)
	}
	return c, err
}

func reply(r Result) {
	for name, values := range r.Header {
		for _, value := range values {
			n, v := []byte(name), []byte(value)
			np, nl := pointer(n)
			vp, vl := pointer(v)
			hostReplyHeader(np, nl, vp, vl)
			runtime.KeepAlive(n)
			runtime.KeepAlive(v)
		}
	}
	hostReply(pointer(r.Payload))
	runtime.KeepAlive(r.Payload)
}

func fail(status int, message string) {
	b := []byte(message)
	p, n := pointer(b)
	hostFail(int32(status), p, n)
	runtime.KeepAlive(b)
}

func logText(level int, text string) {
	b := []byte(text)
	p, n := pointer(b)
	hostLog(int32(level), p, n)
	runtime.KeepAlive(b)
}

func request(service, method string, meta, body []byte) (answerMeta, answerBody []byte, err error) {
	s, m := []byte(service), []byte(method)
	sp, sl := pointer(s)
	mp, ml := pointer(m)
	tp, tl := pointer(meta)
	bp, bl := pointer(body)
	failed := hostRequest(sp, sl, mp, ml, tp, tl, bp, bl) != 0
	runtime.KeepAlive(s)
	runtime.KeepAlive(m)
	runtime.KeepAlive(meta)
	runtime.KeepAlive(body)

	answerMeta = fetch(hostResponseMeta, 256)
	if !failed {
		return answerMeta, fetch(hostResponseBody, 512), nil
	}
	e := &Error{}
	if err := json.Unmarshal(answerMeta, e); err != nil {
		return nil, nil, errors.Join(errors.New("the node's answer is malformed"), err)
	}
	return nil, nil, e
}
