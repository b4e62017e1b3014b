package hostservice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/nex-engine/nex/internal/hostapi"
)

// decode reads the metadata of a request into the type that its method has. A field that the type
// does not have is an error too: it is a mistake that would otherwise go unnoticed.
func decode[T any](r hostapi.Request) (T, *hostapi.Error) {
	var v T
	dec := json.NewDecoder(bytes.NewReader(r.Meta))
	dec.DisallowUnknownFields()
	err := dec.Decode(&v)
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	} else if err == nil {
		if _, rest := dec.Token(); rest != io.EOF {
			err = errors.New("there is something after the JSON value")
		}
	}
	if err != nil {
		return v, hostapi.Errorf(hostapi.CodeInvalid, "malformed metadata of %s %s: %s", r.Service, r.Method, clip(err.Error()))
	}
	return v, nil
}

// encode makes the metadata of an answer.
func encode(v any, body []byte) (hostapi.Response, *hostapi.Error) {
	meta, err := json.Marshal(v)
	if err != nil {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInternal, "encode the answer: %v", err)
	}
	return hostapi.Response{Meta: meta, Body: body}, nil
}

// ended is the error of what ctx has stopped.
func ended(ctx context.Context, what string) *hostapi.Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return hostapi.Errorf(hostapi.CodeTimeout, "%s was not done before the deadline of the call", what)
	}
	return hostapi.Errorf(hostapi.CodeUnavailable, "%s was stopped: the call has ended", what)
}

// clip shortens text from outside for a sentence.
func clip(s string) string {
	const most = 96
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
