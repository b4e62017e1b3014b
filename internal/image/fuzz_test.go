package image_test

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image"
)

// Whatever a location says, the registry is asked for nothing outside of its repositories.
func FuzzReference(f *testing.F) {
	f.Add("oci://127.0.0.1:5000/team/app:v1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	f.Add("oci://docker.io/debian")
	f.Add("oci://h/a/../../v2/_catalog")
	f.Add("oci://h/%2e%2e/%2e%2e/x")
	f.Add("oci://h//x:y/z@")
	f.Fuzz(func(t *testing.T, location string) {
		u, err := url.Parse(location)
		if err != nil {
			return
		}
		repository, err := image.Reference{Location: nex.Location(*u)}.Repository()
		if err != nil || repository == "" {
			return
		}
		if path.Clean("/"+repository) != "/"+repository || strings.Trim(repository, "abcdefghijklmnopqrstuvwxyz0123456789._-/") != "" {
			t.Errorf("location %q asks for %q", location, repository)
		}
	})
}

// Whatever is in a file that is said to be an image, nothing is left of it unless it is one, and the
// failure has a code that is not the node's fault.
func FuzzArchive(f *testing.F) {
	f.Add(entries{"manifest.json", `[{"Config":"c","Layers":["l"]}]`, "c", `{"rootfs":{"diff_ids":["sha256:0"]}}`, "l", "x"}.tar(f))
	f.Add(entries{"index.json", `{"manifests":[{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":-1}]}`}.tar(f))
	f.Add(entries{"index.json@", "index.json"}.tar(f))
	f.Fuzz(func(t *testing.T, archive []byte) {
		dir := filepath.Join(t.TempDir(), "images")
		s := open(t, image.Config{Dir: dir, AllowFile: true, MaxImageBytes: 1 << 20, MaxFiles: 100})
		m, err := s.Get(t.Context(), reference(t, "file://"+write(t, archive)))
		if err == nil {
			m.Release()
			return
		}
		if nex.CodeOf(err) == nex.CodeInternal {
			t.Errorf("error %v has the code of an internal one", err)
		}
		wantStored(t, dir)
	})
}

// The same for the text that an archive leads to.
func FuzzManifest(f *testing.F) {
	f.Add(`[{"Config":"config","Layers":["layer"]}]`, `{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}`, "")
	f.Add(`[]`, `{}`, "x")
	f.Add("", "", `{"manifests":[{}]}`)
	f.Add("", "", `{"manifests":[{"mediaType":"x","digest":"sha256:../../../etc/passwd"}]}`)
	f.Fuzz(func(t *testing.T, manifest, config, index string) {
		files := entries{"config", config, "layer", "", "manifest.json", manifest}
		if index != "" {
			files = append(files, "index.json", index)
		}
		path := write(t, files.tar(t))
		digest, bytes, err := image.Resolve(t.Context(), image.Config{AllowFile: true}, reference(t, "file://"+path))
		switch {
		case err == nil && (len(digest) != 64 || bytes < 0):
			t.Errorf("digest = %q, %d bytes", digest, bytes)
		case err != nil && nex.CodeOf(err) == nex.CodeInternal:
			t.Errorf("error %v has the code of an internal one", err)
		}
	})
}
