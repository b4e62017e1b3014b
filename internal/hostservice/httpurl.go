package hostservice

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nex-engine/nex/internal/hostapi"
)

// maxURLBytes bounds a URL, as many servers do.
const maxURLBytes = 16 << 10

// parseURL parses a URL that can be called. What it has after the host is sent as it is written, but for
// what cannot be sent so.
func parseURL(s string) (*url.URL, *hostapi.Error) {
	if len(s) > maxURLBytes {
		return nil, hostapi.Errorf(hostapi.CodeInvalid, "the URL has %d bytes, more than %d", len(s), maxURLBytes)
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, hostapi.Errorf(hostapi.CodeInvalid, "the URL cannot be parsed: write it like https://example.com/path?query")
	}
	encodeURL(u)
	return u, checkURL(u)
}

// encodeURL percent-encodes in path and query what is not ASCII, and in the path what package url would
// encode, which would then decode and change the rest of it too.
func encodeURL(u *url.URL) {
	u.RawPath = percentEncode(u.RawPath, "\"<>\\^`{|} ")
	u.RawQuery = percentEncode(u.RawQuery, "")
}

// percentEncode encodes the bytes that are not ASCII, and those that are in also.
func percentEncode(s, also string) string {
	const hex = "0123456789ABCDEF"
	encode := func(c byte) bool { return c >= utf8.RuneSelf || strings.IndexByte(also, c) >= 0 }
	if !slices.ContainsFunc([]byte(s), encode) {
		return s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if encode(c) {
			b.Write([]byte{'%', hex[c>>4], hex[c&0xf]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func checkURL(u *url.URL) *hostapi.Error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return hostapi.Errorf(hostapi.CodeInvalid, "the URL begins with %q: only http and https can be called", clip(u.Scheme))
	case u.User != nil:
		return hostapi.Errorf(hostapi.CodeInvalid, "the URL has a user name in it: send credentials in the header Authorization")
	case u.Hostname() == "":
		return hostapi.Errorf(hostapi.CodeInvalid, "the URL has no host")
	case isOddAddress(u.Hostname()):
		return hostapi.Errorf(hostapi.CodeInvalid, "the host %q is no name and no address: write an address as four decimal numbers", clip(u.Hostname()))
	case !isPort(u.Port()):
		return hostapi.Errorf(hostapi.CodeInvalid, "the URL has the port %q: a port is a number from 1 to 65535", clip(u.Port()))
	case strings.ContainsAny(u.RawQuery, " "):
		return hostapi.Errorf(hostapi.CodeInvalid, "the URL has a space in its query: write %%20")
	}
	for _, c := range []byte(u.Host) {
		if c <= ' ' || c >= 0x7f {
			return hostapi.Errorf(hostapi.CodeInvalid, "the host %q is not written in ASCII: use the form that begins with xn--", clip(u.Host))
		}
	}
	return nil
}

// isOddAddress reports whether a host is an IPv4 address in one of the forms that some resolvers take
// for one, such as 127.1 and 0x7f000001: as the URL Standard has it, its last part is a number.
func isOddAddress(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := strings.ToLower(labels[len(labels)-1])
	if digits, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

func isPort(s string) bool {
	if s == "" {
		return true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// The modes of redirects.
const (
	redirectFollow = "follow"
	redirectError  = "error"
	redirectManual = "manual"
)

// maxRedirects bounds how often a call may be sent elsewhere.
const maxRedirects = 10

// credentials are the headers that are for one origin only. Referer tells it where the call came from.
var credentials = []string{"Authorization", "Proxy-Authorization", "Cookie", "Cookie2", "Www-Authenticate", "Referer"}

// checkRedirect is that of an [http.Client].
func (x *exchange) checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case x.redirect == redirectManual:
		return http.ErrUseLastResponse
	case x.redirect == redirectError:
		return hostapi.Errorf(hostapi.CodeUnavailable, "%s failed: it redirects, which the request has excluded", x)
	case len(via) > maxRedirects:
		return hostapi.Errorf(hostapi.CodeUnavailable, "%s failed: it redirects more than %d times", x, maxRedirects)
	}
	if err := checkURL(req.URL); err != nil {
		return hostapi.Errorf(hostapi.CodeDenied, "%s redirects to where it cannot be followed: %s", x, err.Message)
	}
	for _, r := range append(via[1:len(via):len(via)], req) {
		if origin(r.URL) == origin(via[0].URL) {
			continue
		}
		for _, name := range credentials {
			req.Header.Del(name)
		}
	}
	encodeURL(req.URL)
	x.redirected = true
	return nil
}

func origin(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
