package nex

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Location is where an artifact lies: nats://BUCKET/key in an object store, file:///path on the
// node, https://host/path, or oci://registry/repository:tag, or @sha256:… instead of the tag, for an
// image.
//
// On the wire it is Go's url.URL as a JSON object, which is what version 1 clients send; a plain
// string is accepted as well.
type Location url.URL

// The schemes a location can have.
const (
	SchemeNATS  = "nats"
	SchemeFile  = "file"
	SchemeHTTPS = "https"
	SchemeOCI   = "oci"
)

// ParseLocation parses the text form of a location and checks it.
func ParseLocation(s string) (Location, error) {
	u, err := url.Parse(s)
	if err != nil && strings.HasPrefix(s, SchemeOCI+"://") { // without a registry the tag looks like a port
		return Location{}, Errorf(CodeInvalidRequest, "invalid artifact location %q: %s", clip(s), useOCI)
	}
	if err != nil {
		return Location{}, Errorf(CodeInvalidRequest, "invalid artifact location %q: it is not a URL", clip(s))
	}
	l := Location(*u)
	return l, l.Check()
}

const useOCI = "use oci://registry/repository:tag, such as oci://docker.io/library/nats:2.11"

// Check returns an Error with code [CodeInvalidRequest] unless the location is complete and of a
// known scheme.
func (l Location) Check() error {
	complain := func(format string, args ...any) error {
		u := url.URL(l)
		return Errorf(CodeInvalidRequest, "invalid artifact location %q: %s", clip(u.Redacted()), fmt.Sprintf(format, args...))
	}
	if l.Opaque != "" { // it would hide host and path
		return complain("use scheme://host/path")
	}
	if !utf8.ValidString(l.RawQuery) {
		return complain("its query is not UTF-8")
	}
	// Made by hand, the fields can have what no URL has in their place.
	if again, err := url.Parse(l.String()); err != nil || again.String() != l.String() {
		return complain("it is not a URL")
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
	case SchemeOCI:
		if l.Host == "" || l.Key() == "" || l.User != nil || l.RawQuery != "" || l.ForceQuery || l.Fragment != "" {
			return complain(useOCI)
		}
	default:
		return complain("the scheme must be nats, file, https or oci")
	}
	return nil
}

// CheckType returns an Error with code [CodeInvalidRequest] unless artifacts of the type can lie there:
// images lie in registries or in files, and nothing else lies in registries.
func (l Location) CheckType(t WorkloadType) error {
	switch {
	case l.Scheme == SchemeOCI && t != TypeOCI:
		return Errorf(CodeInvalidRequest, "a workload of type %s cannot lie in a registry: give it the type %s if it is an image", clip(string(t)), TypeOCI)
	case t == TypeOCI && l.Scheme != SchemeOCI && l.Scheme != SchemeFile:
		return Errorf(CodeInvalidRequest, "an image cannot lie at a %s location: use oci://registry/repository:tag, or file:///path of an image on the node", clip(l.Scheme))
	}
	return nil
}

// Bucket is the object store bucket of a nats location.
func (l Location) Bucket() string { return l.Host }

// Key is the object name of a nats location.
func (l Location) Key() string { return strings.TrimPrefix(l.Path, "/") }

// String returns the location as a URL.
func (l Location) String() string { u := url.URL(l); return u.String() }

// MarshalJSON writes the version 1 form, url.URL as an object. What that would lose, credentials and
// bytes that are not UTF-8, makes it write the location as a string, which version 1 nodes refuse.
func (l Location) MarshalJSON() ([]byte, error) {
	if l.User != nil || !utf8.ValidString(l.Host+"/"+l.Path+"#"+l.Fragment) {
		return json.Marshal(l.String())
	}
	return json.Marshal(url.URL(l))
}

// UnmarshalJSON reads a url.URL object or a string. The object's fields can contradict each other:
// it means what its text says, for that is what claims are signed for. It does not call
// [Location.Check].
func (l *Location) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		var object url.URL
		if err := json.Unmarshal(data, &object); err != nil {
			return errors.New("location is neither a URL object nor a string")
		}
		text = object.String()
	}
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("location is not a URL")
	}
	*l = Location(*u)
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
