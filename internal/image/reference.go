package image

import (
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/castore"
)

// SchemeOCI is the scheme of locations in a registry.
const SchemeOCI = "oci"

// Reference says which image is wanted and where it lies.
type Reference struct {
	// Location is oci://registry/name[:tag][@sha256:digest] or file:///path. The registry is always
	// named, and the tag is "latest" if there is neither tag nor digest.
	Location nex.Location
	// Digest is what the package comment says, in lower-case hex. If it is "" the image is whatever
	// lies there.
	Digest string
}

// String is the location, without what could be secret in it.
func (r Reference) String() string {
	l := r.Location
	l.User, l.Fragment, l.RawFragment = nil, "", ""
	if l.RawQuery != "" {
		l.RawQuery = "..."
	}
	return clip(l.String())
}

// check refuses a Reference that is malformed.
func (r Reference) check() error {
	if r.Digest != "" && !castore.IsDigest(r.Digest) {
		return nex.Errorf(nex.CodeInvalidRequest, "the image's digest is not a sha256 in lower-case hex")
	}
	l := r.Location
	complain := func(why string) error {
		return nex.Errorf(nex.CodeInvalidRequest, "invalid image location %q: %s", r.String(), why)
	}
	switch {
	case l.Opaque != "": // it would hide the host and the path
		return complain("it is opaque; use oci://registry/name:tag")
	case l.Scheme != SchemeOCI && l.Scheme != nex.SchemeFile:
		return complain("the scheme must be oci or file")
	case l.User != nil:
		return complain("credentials do not belong into it; use docker login on the node")
	case l.RawQuery != "" || l.ForceQuery || l.Fragment != "":
		return complain("it has a query or a fragment")
	case l.Scheme == nex.SchemeFile && (l.Host != "" || !strings.HasPrefix(l.Path, "/")):
		return complain("use file:///absolute/path")
	case l.Scheme == nex.SchemeFile:
		return nil
	}
	_, err := r.parse(false)
	return err
}

// parse returns the names that a registry knows the image by. Without a tag and a digest the tag is
// "latest".
func (r Reference) parse(plainHTTP bool) (registryName, error) {
	complain := func(why string) error {
		return nex.Errorf(nex.CodeInvalidRequest, "invalid image location %q: %s", r.String(), why)
	}
	if r.Location.Host == "" || strings.Trim(r.Location.Path, "/") == "" {
		return registryName{}, complain("use oci://registry/name:tag")
	}
	var options []name.Option
	if plainHTTP {
		options = append(options, name.Insecure)
	}
	registry, err := name.NewRegistry(r.Location.Host, options...)
	if err != nil || strings.Trim(strings.ToLower(r.Location.Host), "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" {
		return registryName{}, complain("its host is no registry")
	}
	rest, digest, hasDigest := strings.Cut(strings.TrimPrefix(r.Location.Path, "/"), "@")
	dir, base := path.Split(rest)
	base, tag, hasTag := strings.Cut(base, ":")
	if registry.RegistryStr() == name.DefaultRegistry && dir == "" {
		dir = "library/"
	}
	n := registryName{repository: registry.Repo(dir, base), tag: tag}
	// Repo checks nothing. A host in front that has a dot cannot be taken for a part of the name.
	_, err = name.NewRepository("a.b/"+dir+base, name.StrictValidation)
	if err != nil || path.Clean("/"+dir+base) != "/"+dir+base {
		return registryName{}, complain("its name has to be of lower-case letters, digits and ._-/")
	}
	if hasDigest {
		n.digest = strings.TrimPrefix(digest, "sha256:")
		if n.digest == digest || !castore.IsDigest(n.digest) {
			return registryName{}, complain("after @ there has to be sha256: and 64 hex digits")
		}
	}
	if !hasTag && !hasDigest {
		n.tag = name.DefaultTag
	}
	if hasTag || !hasDigest {
		if _, err := name.NewTag("a.b/c:"+n.tag, name.StrictValidation); err != nil {
			return registryName{}, complain("its tag has to be of at most 128 letters, digits and ._-")
		}
	}
	return n, nil
}

// registryName is what a location in a registry means. One of tag and digest is set, or both.
type registryName struct {
	repository  name.Repository
	tag, digest string
}

// clip shortens a string from outside for use in a message.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
