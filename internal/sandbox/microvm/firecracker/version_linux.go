package firecracker

import (
	"fmt"
	"regexp"
	"strconv"
)

// version is that of a release.
type version struct{ major, minor, patch int }

// The versions that work: older ones cannot give a snapshot another tap.
var oldest = version{1, 12, 0}

// A machine of mute that goes on from a snapshot does not hear what is said to it by vsock.
var mute = version{1, 16, 0}

var versionPattern = regexp.MustCompile(`(?:^|\s)v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+][0-9A-Za-z.+-]*)?(?:\s|$)`)

// parseVersion finds the first version in what a program says of itself.
func parseVersion(text []byte) (version, error) {
	m := versionPattern.FindSubmatch(text)
	if m == nil {
		return version{}, fmt.Errorf("it does not say its version, but %.100q", text)
	}
	var v version
	for n, to := range []*int{&v.major, &v.minor, &v.patch} {
		*to, _ = strconv.Atoi(string(m[n+1])) // up to six digits
	}
	return v, nil
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

func (v version) before(w version) bool {
	if v.major != w.major {
		return v.major < w.major
	}
	if v.minor != w.minor {
		return v.minor < w.minor
	}
	return v.patch < w.patch
}

// usable is an error for a version that is not used, and says which one to get.
func (v version) usable() error {
	switch {
	case v.before(oldest):
		return fmt.Errorf("it is version %s, which is too old: install %s or later", v, oldest)
	case v == mute:
		return fmt.Errorf("it is version %s, in which machines that go on from a snapshot cannot be reached: install %s or later", v, version{mute.major, mute.minor, mute.patch + 1})
	case v.major > oldest.major:
		return fmt.Errorf("it is version %s, and versions %d.x are known: install one of those, %s or later", v, oldest.major, oldest)
	}
	return nil
}
