package nex

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Location is where an artifact lies: nats://BUCKET/key in an object store, file:///path on the
// node, or https://host/path.
//
// On the wire it is Go's url.URL as a JSON object, which is what version 1 clients send; a plain
// string is accepted as well.
type Location url.URL

// The schemes a location can have.
const (
	SchemeNATS  = "nats"
	SchemeFile  = "file"
	SchemeHTTPS = "https"
)

// ParseLocation parses the text form of a location and checks it.
func ParseLocation(s string) (Location, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Location{}, Errorf(CodeInvalidRequest, "invalid artifact location %q: it is not a URL", clip(s))
	}
	l := Location(*u)
	return l, l.Check()
}

// Check returns an Error with code [CodeInvalidRequest] unless the location is complete and of a
// known scheme.
func (l Location) Check() error {
	complain := func(format string, args ...any) error {
		return Errorf(CodeInvalidRequest, "invalid artifact location %q: %s", clip(l.String()), fmt.Sprintf(format, args...))
	}
	switch l.Scheme {
	case SchemeNATS:
		if l.Host == "" || l.Key() == "" {
			return complain("use nats://BUCKET/key")
		}
	case SchemeFile:
		if l.Host != "" || !strings.HasPrefix(l.Path, "/") {
			return complain("use file:///absolute/path")
		}
	case SchemeHTTPS:
		if l.Host == "" {
			return complain("use https://host/path")
		}
	default:
		return complain("the scheme must be nats, file or https")
	}
	return nil
}

// Bucket is the object store bucket of a nats location.
func (l Location) Bucket() string { return l.Host }

// Key is the object name of a nats location.
func (l Location) Key() string { return strings.TrimPrefix(l.Path, "/") }

// String returns the location as a URL.
func (l Location) String() string { u := url.URL(l); return u.String() }

// MarshalJSON writes the version 1 form, url.URL as an object.
func (l Location) MarshalJSON() ([]byte, error) { return json.Marshal(url.URL(l)) }

// UnmarshalJSON reads a url.URL object or a string. It does not call [Location.Check].
func (l *Location) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		u, err := url.Parse(s)
		if err != nil {
			return fmt.Errorf("location %q is not a URL", clip(s))
		}
		*l = Location(*u)
		return nil
	}
	var u url.URL
	if err := json.Unmarshal(data, &u); err != nil {
		return fmt.Errorf("location is neither a URL object nor a string")
	}
	*l = Location(u)
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
