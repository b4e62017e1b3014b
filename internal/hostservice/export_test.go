package hostservice

import (
	"context"
	"net/http"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/hostapi"
)

// CheckKey is checkKey.
func CheckKey(key string) *hostapi.Error { return checkKey(key) }

// CheckSubject is checkSubject.
func CheckSubject(s string) *hostapi.Error { return checkSubject(s) }

// Denies reports whether a list of subjects has one that matches; ok is false if there is no such list.
func Denies(entry, subject string) (denied, ok bool) {
	l, err := newSubjectList([]string{entry})
	if err != nil {
		return false, false
	}
	_, denied = subjectList{l[len(l)-1]}.match(subject)
	return denied, true
}

// NewHTTPRequest makes what is sent of the metadata of an HTTP call.
func NewHTTPRequest(meta, body []byte) (*http.Request, *hostapi.Error) {
	v, err := decode[hostapi.HTTPRequest](hostapi.Request{Service: hostapi.HTTP, Method: "request", Meta: meta})
	if err != nil {
		return nil, err
	}
	c, _ := newCaller(config.HTTPConfig{}, nil) // no list, no error
	return c.newRequest(context.Background(), v, body)
}

// Decode decodes metadata as each method does.
func Decode(meta []byte) []*hostapi.Error {
	r := hostapi.Request{Service: "s", Method: "m", Meta: meta}
	_, key := decode[hostapi.KeyRequest](r)
	_, name := decode[hostapi.NameRequest](r)
	_, message := decode[hostapi.MessageRequest](r)
	_, many := decode[hostapi.RequestManyRequest](r)
	_, http := decode[hostapi.HTTPRequest](r)
	return []*hostapi.Error{key, name, message, many, http}
}
