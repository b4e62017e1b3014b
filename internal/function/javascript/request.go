//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	v8 "github.com/tommie/v8go"

	"github.com/nex-engine/nex/internal/hostapi"
)

// maxRequests bounds the host service requests that one call has under way; the node has its own,
// smaller bound.
const maxRequests = 256

// answer is what came back of a request. The zero id is that of one for which the isolate waits.
type answer struct {
	id     int
	meta   []byte
	body   []byte
	failed bool
}

// requests are those of one call.
type requests struct {
	ctx    context.Context
	group  sync.WaitGroup
	done   chan answer // with room for all that can be under way
	open   int
	lastID int
}

func newRequests(ctx context.Context) *requests {
	return &requests{ctx: ctx, done: make(chan answer, maxRequests)}
}

// onRequest performs the request in the mailbox and puts the answer there, or keeps it if it does not
// fit and tells how much room it needs.
func (v *vm) onRequest([]*v8.Value) *v8.Value {
	r := v.work.hostRequests()
	a := v.perform(r.ctx, v.takeRequest())
	if size := len(a.meta) + len(a.body); size > len(v.box.data()) {
		v.kept = &a
		v.box.setWord(wordNeed, size)
		return nil
	}
	v.put(a)
	return nil
}

// onFill puts into the mailbox the answer for which there is room now.
func (v *vm) onFill([]*v8.Value) *v8.Value {
	v.put(*v.kept)
	v.kept = nil
	return nil
}

// onStart starts the request in the mailbox. Its id goes into the mailbox, or 0 and an error.
func (v *vm) onStart([]*v8.Value) *v8.Value {
	r := v.work.hostRequests()
	if r.open == maxRequests {
		v.put(failure(hostapi.Errorf(hostapi.CodeBusy, "the function has %d requests under way and may have no more", maxRequests)))
		return nil
	}
	r.open++
	r.lastID++
	id, req := r.lastID, v.takeRequest()
	r.group.Go(func() {
		a := v.perform(r.ctx, req)
		a.id = id
		r.done <- a
	})
	v.box.setWord(wordID, id)
	return nil
}

// takeRequest copies the request in the mailbox.
func (v *vm) takeRequest() hostapi.Request {
	metaSize, bodySize := v.box.word(wordA), v.box.word(wordB)
	data := v.box.data()
	var r struct {
		Service string          `json:"service"`
		Method  string          `json:"method"`
		Meta    json.RawMessage `json:"meta"`
	}
	// The core has written it. What is not right all the same is a request that the node refuses.
	_ = json.Unmarshal(data[:metaSize], &r)
	req := hostapi.Request{Service: r.Service, Method: r.Method, Meta: r.Meta}
	if bodySize > 0 {
		req.Body = append([]byte(nil), data[metaSize:metaSize+bodySize]...)
	}
	return req
}

// perform uses nothing of the vm that changes.
func (v *vm) perform(ctx context.Context, r hostapi.Request) answer {
	resp, err := v.cfg.Host.Request(ctx, r)
	if err != nil {
		return failure(err)
	}
	return answer{meta: resp.Meta, body: resp.Body}
}

func failure(err error) answer {
	var e *hostapi.Error
	if !errors.As(err, &e) {
		e = hostapi.Errorf(hostapi.CodeInternal, "%s", err.Error())
	}
	meta, err := json.Marshal(e)
	if err != nil {
		panic(err) // two strings
	}
	return answer{meta: meta, failed: true}
}

// put puts an answer into the mailbox, which has room for it.
func (v *vm) put(a answer) {
	data := v.box.data()
	n := copy(data, a.meta)
	copy(data[n:], a.body)
	failed := 0
	if a.failed {
		failed = 1
	}
	v.box.setWord(wordA, len(a.meta))
	v.box.setWord(wordB, len(a.body))
	v.box.setWord(wordC, failed)
	v.box.setWord(wordID, a.id)
	v.box.setWord(wordNeed, 0)
}
