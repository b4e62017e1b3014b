// Package hostapi is the vocabulary of host services: what a function may ask of its node, and what
// it is answered. Agent and node share it; guests see it as hostServices in JavaScript and as the
// import module nex in WebAssembly.
//
// A request names a service and a method, and carries metadata, which is JSON, and a body, which is
// bytes. An answer has metadata and a body, or is an [Error].
//
//	service      method        metadata                   body     answer: metadata          body
//	kv           get           KeyRequest                 –        –                         value
//	kv           set           KeyRequest                 value    –                         –
//	kv           delete        KeyRequest                 –        –                         –
//	kv           keys          –                          –        KeysResponse              –
//	objectstore  get           NameRequest                –        ObjectInfo                content
//	objectstore  put           NameRequest                content  ObjectInfo                –
//	objectstore  delete        NameRequest                –        –                         –
//	objectstore  list          –                          –        ListResponse              –
//	messaging    publish       MessageRequest             payload  –                         –
//	messaging    request       MessageRequest             payload  MessageResponse           payload
//	messaging    request_many  RequestManyRequest         payload  RequestManyResponse       payloads, one after the other
//	http         request       HTTPRequest                body     HTTPResponse              body
package hostapi

import (
	"encoding/json"
	"fmt"
	"time"
)

// The services.
const (
	KV          = "kv"
	ObjectStore = "objectstore"
	Messaging   = "messaging"
	HTTP        = "http"
)

// Methods lists the methods of each service.
var Methods = map[string][]string{
	KV:          {"get", "set", "delete", "keys"},
	ObjectStore: {"get", "put", "delete", "list"},
	Messaging:   {"publish", "request", "request_many"},
	HTTP:        {"request"},
}

// Request is a host service request.
type Request struct {
	Service, Method string
	Meta            json.RawMessage // empty where the table has none
	Body            []byte
}

// Response is the answer to a Request that succeeded.
type Response struct {
	Meta json.RawMessage // empty where the table has none
	Body []byte
}

// Code is a stable, machine-readable class of failure. Functions see it as the property code of an
// exception.
type Code string

// The codes.
const (
	CodeInvalid      Code = "invalid"       // the request makes no sense: a bad key, subject, URL, method
	CodeNotFound     Code = "not_found"     // no such key, object, or bucket that may not be made
	CodeDenied       Code = "denied"        // the node does not allow it: service off, reserved subject, private address
	CodeTooLarge     Code = "too_large"     // a key, value, body, or the bucket would be larger than it may be
	CodeBusy         Code = "busy"          // the function has too many requests under way
	CodeTimeout      Code = "timeout"       // no answer in time
	CodeNoResponders Code = "no_responders" // nobody listens on the subject
	CodeUnavailable  Code = "unavailable"   // NATS, JetStream or the remote host could not be reached
	CodeInternal     Code = "internal"      // the node failed
)

// Error is a request that failed. Message is one sentence.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error returns the sentence alone.
func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// KeyRequest names a key: 1 to [MaxKeyBytes] letters, digits and -/_=. without a period at either end,
// as NATS has them.
type KeyRequest struct {
	Key string `json:"key"`
}

// KeysResponse lists keys, sorted.
type KeysResponse struct {
	Keys []string `json:"keys"`
}

// NameRequest names an object: any text of 1 to [MaxNameBytes] bytes.
type NameRequest struct {
	Name string `json:"name"`
}

// ObjectInfo describes an object.
type ObjectInfo struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`   // in bytes
	Digest   string    `json:"digest"` // "SHA-256=" and base64url, as NATS writes it
	Modified time.Time `json:"modified"`
}

// ListResponse lists objects, sorted by name.
type ListResponse struct {
	Objects []ObjectInfo `json:"objects"`
}

// MessageRequest says where a message goes.
type MessageRequest struct {
	Subject string              `json:"subject"`
	Headers map[string][]string `json:"headers,omitempty"`
	// TimeoutMs bounds the wait for the answer; 0 takes the node's default. Publish has none.
	TimeoutMs int `json:"timeout_ms,omitempty"`
}

// MessageResponse is the answer to a request besides its payload.
type MessageResponse struct {
	Subject string              `json:"subject"`
	Headers map[string][]string `json:"headers,omitempty"`
}

// RequestManyRequest is a request with many answers. Collecting ends with the first condition that is
// met, and what has been collected by then is the answer.
type RequestManyRequest struct {
	MessageRequest
	// MaxMessages ends it after so many answers; 0 means no such bound.
	MaxMessages int `json:"max_messages,omitempty"`
	// StallMs ends it when after an answer no further one comes for so long; 0 means never.
	StallMs int `json:"stall_ms,omitempty"`
	// Sentinel ends it at an answer without payload and headers, which is left out.
	Sentinel bool `json:"sentinel,omitempty"`
}

// RequestManyResponse describes the answers; the body holds their payloads one after the other.
type RequestManyResponse struct {
	Messages []ManyMessage `json:"messages"`
}

// ManyMessage is one answer; Size is the number of bytes that its payload has in the body.
type ManyMessage struct {
	MessageResponse
	Size int `json:"size"`
}

// HTTPRequest is an HTTP request besides its body.
type HTTPRequest struct {
	Method  string              `json:"method"`
	URL     string              `json:"url"`
	Headers map[string][]string `json:"headers,omitempty"`
	// TimeoutMs bounds the whole exchange; 0 takes the node's default, and no more than that is had.
	TimeoutMs int `json:"timeout_ms,omitempty"`
	// Redirect is "follow" (also when empty), "error" or "manual", as in the Fetch standard.
	Redirect string `json:"redirect,omitempty"`
}

// HTTPResponse is an HTTP response besides its body.
type HTTPResponse struct {
	Status     int                 `json:"status"`
	StatusText string              `json:"status_text"`
	Headers    map[string][]string `json:"headers,omitempty"`
	URL        string              `json:"url"` // after redirects
	Redirected bool                `json:"redirected,omitempty"`
}

// Bounds of names.
const (
	MaxKeyBytes  = 1 << 10
	MaxNameBytes = 1 << 10
)

// MaxMessageBytes bounds metadata and body together, in either direction: 8 MiB.
const MaxMessageBytes = 8 << 20
