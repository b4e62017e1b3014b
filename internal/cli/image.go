package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/image"
)

// resolveTimeout bounds how long a registry may take to say what an image is.
const resolveTimeout = time.Minute

// resolveImage returns the digest of the image that a node would run, and says what it found.
func resolveImage(ctx context.Context, s *session, l nex.Location, node nex.PingResponse) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, resolveTimeout, fmt.Errorf("it took longer than %s", resolveTimeout))
	defer cancel()
	digest, size, err := image.Resolve(ctx, image.Config{Platform: platform(node), AllowFile: true, Client: true}, image.Reference{Location: l})
	if err != nil {
		return "", err
	}
	s.say("Found image %s (%s) at %s", "sha256:"+digest, render.Bytes(size), render.Text(l.String()))
	return digest, nil
}

// platform is what an image must be for to run on a node, as far as the node says it.
func platform(node nex.PingResponse) string {
	system, arch := node.Tags[nex.TagOS], node.Tags[nex.TagArch]
	if system == "" || arch == "" {
		return ""
	}
	return system + "/" + arch
}

// sourceOf is the path of what was given for a file, or the image in a registry as it is.
func sourceOf(given string) (string, error) {
	if isReference(given) {
		return given, nil
	}
	path := kong.ExpandPath(strings.TrimPrefix(given, nex.SchemeFile+"://"))
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && strings.Contains(given[len(filepath.VolumeName(given)):], ":") {
		return "", usagef("there is no file %s: the name of an image in a registry begins with %s:// and the registry, such as oci://docker.io/library/nats:2.11", given, nex.SchemeOCI)
	}
	return path, nil
}

// isReference reports whether what was given for a file is an image in a registry.
func isReference(given string) bool { return strings.HasPrefix(given, nex.SchemeOCI+"://") }

// openImage returns the image that lies in a registry, in a folder or in a tar archive; nil if the
// file is none.
func openImage(given string) (*localArtifact, error) {
	a := &localArtifact{kind: nex.TypeOCI}
	var err error
	if isReference(given) {
		a.image, err = nex.ParseLocation(given)
		return a, err
	}
	is, err := isImage(given)
	if err != nil || !is {
		return nil, err
	}
	whole, err := filepath.Abs(given)
	if err != nil {
		return nil, err
	}
	a.image, err = fileLocation(whole)
	return a, err
}

// fileLocation is the location of a file, on whichever system.
func fileLocation(whole string) (nex.Location, error) {
	slashes := filepath.ToSlash(whole)
	if !strings.HasPrefix(slashes, "/") { // C:/dir/file
		slashes = "/" + slashes
	}
	l := nex.Location{Scheme: nex.SchemeFile, Path: slashes}
	return l, l.Check()
}

// isImage reports whether there is an OCI layout or a tar archive at path. What cannot be looked at is
// none, and for others to complain about.
func isImage(path string) (bool, error) {
	stat, err := os.Stat(path)
	switch {
	case err != nil:
		return false, nil //nolint:nilerr // see above
	case stat.IsDir():
		_, err := os.Stat(filepath.Join(path, "index.json"))
		if errors.Is(err, fs.ErrNotExist) {
			return false, usagef("%s is a folder, but no image: it has no index.json, as an OCI layout has", path)
		}
		return err == nil, err
	case !stat.Mode().IsRegular():
		return false, nil
	case isCompressed(path):
		return false, usagef("%s is compressed: unpack it first, to a .tar file, if it is an image", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	const at = 257 // where every tar archive of the last decades says that it is one
	magic := make([]byte, len("ustar"))
	_, err = f.ReadAt(magic, at)
	return err == nil && bytes.Equal(magic, []byte("ustar")), nil
}

// isCompressed reports whether a file is a compressed archive by its name.
func isCompressed(path string) bool {
	for _, ending := range []string{".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"} {
		if strings.HasSuffix(strings.ToLower(path), ending) {
			return true
		}
	}
	return false
}

// imageName is what a workload made of an image is called: the last part of its name, without tag and
// digest.
func imageName(location string) string {
	name, _, _ := strings.Cut(path.Base(location), "@")
	name, _, _ = strings.Cut(name, ":")
	return workloadName(strings.TrimSuffix(name, ".tar"))
}
