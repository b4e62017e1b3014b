package hostservice

import (
	"net/http"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/hostapi"
)

// checkHeaders refuses names and values that would change what is around them when they are written
// out, in messages as in HTTP.
func checkHeaders(headers map[string][]string) *hostapi.Error {
	for name, values := range headers {
		if !isToken(name) {
			return hostapi.Errorf(hostapi.CodeInvalid, "%q cannot be the name of a header", clip(name))
		}
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				return hostapi.Errorf(hostapi.CodeInvalid, "the header %s has a line break or a zero byte in its value", clip(name))
			}
		}
	}
	return nil
}

// isToken reports whether s is a token as HTTP has it, which names of headers and methods are.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if !isLetterOrDigit(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// hopByHop are the headers that are about a connection, not about what goes over it, and those that
// the node sets by itself. They are left out, in both directions.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// requestHeader makes the headers of an HTTP request to a host.
func requestHeader(headers map[string][]string, host string) (http.Header, *hostapi.Error) {
	if err := checkHeaders(headers); err != nil {
		return nil, err
	}
	h := make(http.Header, len(headers)+1)
	for name, values := range headers {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	for _, v := range h["Host"] {
		if !strings.EqualFold(v, host) {
			return nil, hostapi.Errorf(hostapi.CodeInvalid, "the header Host is %q and the URL has %q: the host is that of the URL, leave the header out", clip(v), clip(host))
		}
	}
	dropHopByHop(h)
	h.Del("Host")
	h.Del("Content-Length")
	if _, ok := h["User-Agent"]; !ok {
		h.Set("User-Agent", "nex/"+nex.Version)
	}
	return h, nil
}

// responseHeader returns what a function sees of the headers of a response.
func responseHeader(h http.Header) map[string][]string {
	dropHopByHop(h)
	return h
}

func dropHopByHop(h http.Header) {
	for _, v := range h["Connection"] { // which names more of them
		for name := range strings.SplitSeq(v, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}
