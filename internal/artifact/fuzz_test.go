package artifact_test

import (
	"regexp"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
)

var hexDigest = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

// Whatever an object's description says, it becomes a sha256 in hex or nothing.
func FuzzObjectDigest(f *testing.F) {
	f.Add("SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=")
	f.Add("SHA-256=")
	f.Add("SHA-256=YQ==")
	f.Add("MD5=abc")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if got := artifact.ObjectDigest(s); got != "" && !hexDigest.MatchString(got) {
			t.Errorf("digest of %q = %q", s, got)
		}
	})
}

// A digest from outside becomes a file name: nothing but a sha256 in hex may pass for one.
func FuzzRefDigest(f *testing.F) {
	f.Add("47dc540c94ceb704a23875c11273e16bb0b8a87aed84de911f2133568115f254")
	f.Add("../../../../../../../../../../../../../../../../../../etc/passwd0")
	f.Add("partial-1")
	f.Add("\x00")
	c, err := artifact.Open(artifact.Config{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = c.Close() })
	f.Fuzz(func(t *testing.T, s string) {
		ref := artifact.Ref{Location: nex.Location{Scheme: nex.SchemeFile, Path: "/x"}, Digest: s}
		want := nex.CodeInvalidRequest
		if s == "" || hexDigest.MatchString(s) {
			want = nex.CodeLocationDenied // it got past the digest
		}
		if _, err := c.Check(t.Context(), ref); nex.CodeOf(err) != want {
			t.Errorf("check with digest %q: %v, want code %s", s, err, want)
		}
	})
}
