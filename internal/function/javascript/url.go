package javascript

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/nlnwa/whatwg-url/url"
)

// maxURLBytes bounds a URL, because the time to parse one grows faster than its length and a script
// cannot be stopped meanwhile.
const maxURLBytes = 16 << 10

// urls parses as the URL Standard says. The hook is for hosts in brackets: the library takes more than
// one pair of them for one, and "[" makes it fail.
var urls = url.NewParser(url.WithPreParseHostFunc(func(_ *url.Url, host string) string {
	if strings.HasPrefix(host, "[[") || strings.HasSuffix(host, "]]") {
		return "["
	}
	return host
}))

// urlRecord is what JavaScript sees of a URL, as in the URL Standard.
type urlRecord struct {
	Href     string `json:"href"`
	Origin   string `json:"origin"`
	Protocol string `json:"protocol"`
	Username string `json:"username"`
	Password string `json:"password"`
	Host     string `json:"host"`
	Hostname string `json:"hostname"`
	Port     string `json:"port"`
	Pathname string `json:"pathname"`
	Search   string `json:"search"`
	Hash     string `json:"hash"`
}

// parseURL parses input, against the base if there is one, and returns the URL's record as JSON. It is
// false for what is not a URL, and for one that is longer than maxURLBytes. It is safe for concurrent use.
func parseURL(input, base string, hasBase bool) (jsonText string, ok bool) {
	u, ok := parse(input, base, hasBase)
	if !ok {
		return "", false
	}
	return encodeURL(u)
}

// setURL does what assigning value to a property of the URL href does, and returns the record of the
// result, which is the URL as it was when the value is not right. It is false when href is not a URL,
// the property is none that can be set, or the result is too long.
func setURL(href, property, value string) (jsonText string, ok bool) {
	u, ok := parse(href, "", false)
	if !ok || !inBounds(value) {
		return "", false
	}
	switch property {
	case "href":
		return parseURL(value, "", false)
	case "protocol":
		u.SetProtocol(value)
	case "username":
		u.SetUsername(value)
	case "password":
		u.SetPassword(value)
	case "host":
		u.SetHost(value)
	case "hostname":
		u.SetHostname(value)
	case "port":
		u.SetPort(value)
	case "pathname":
		u.SetPathname(value)
	case "search":
		u.SetSearch(value)
	case "hash":
		u.SetHash(value)
	default:
		return "", false
	}
	return encodeURL(u)
}

func inBounds(s string) bool { return len(s) <= maxURLBytes && utf8.ValidString(s) }

func parse(input, base string, hasBase bool) (*url.Url, bool) {
	if !inBounds(input) || !inBounds(base) {
		return nil, false
	}
	if !hasBase {
		u, err := urls.Parse(input)
		return u, err == nil
	}
	b, err := urls.Parse(base)
	if err != nil {
		return nil, false
	}
	u, err := b.Parse(input)
	return u, err == nil
}

func encodeURL(u *url.Url) (string, bool) {
	r := urlRecord{
		Href: u.Href(false), Origin: origin(u), Protocol: u.Protocol(), Username: u.Username(), Password: u.Password(),
		Host: u.Host(), Hostname: u.Hostname(), Port: u.Port(), Pathname: u.Pathname(), Search: u.Search(), Hash: u.Hash(),
	}
	if len(r.Href) > maxURLBytes {
		return "", false
	}
	text, err := json.Marshal(r)
	return string(text), err == nil
}

// origin is the serialized origin; that of a URL without one is "null".
func origin(u *url.Url) string {
	switch u.Scheme() {
	case "http", "https", "ws", "wss", "ftp":
		return u.Protocol() + "//" + u.Host()
	case "blob":
		// The origin is that of the URL in the path, if it is one of the web.
		if p := u.Pathname(); strings.HasPrefix(p, "http") {
			if inner, err := urls.Parse(p); err == nil && (inner.Scheme() == "http" || inner.Scheme() == "https") {
				return origin(inner)
			}
		}
	}
	return "null"
}
