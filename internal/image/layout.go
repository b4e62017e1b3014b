package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// indexFile is the file that an OCI layout begins at.
const indexFile = "index.json"

// layout is an OCI layout, in a directory or an archive.
type layout struct {
	finder finder
	files  files
}

func (l *layout) close() { l.files.close() }

// find follows the layout's index. Its own digest means nothing: tools change it at will.
func (l *layout) find(ctx context.Context) (*found, error) {
	l.finder.blobs = l
	raw, err := readFile(l.files, indexFile, maxManifest)
	if errors.Is(err, errMissing) {
		return nil, unusable(l.finder.ref, err, "is a directory without an index.json, not an OCI layout")
	}
	if err != nil {
		return nil, unavailable(l.finder.ref, err)
	}
	doc, err := l.finder.parse(raw)
	if err != nil {
		return nil, err
	}
	if err := l.checkOne(doc.Manifests); err != nil {
		return nil, err
	}
	top, err := l.finder.choose(doc.Manifests)
	if err != nil {
		return nil, err
	}
	if raw, err = l.finder.fetch(ctx, top); err != nil {
		return nil, err
	}
	return l.finder.follow(ctx, raw, top.Digest.Hex)
}

// checkOne refuses a layout with several images for the platform, unless a digest says which is meant.
func (l *layout) checkOne(of []v1.Descriptor) error {
	fitting := make(map[string]bool)
	for _, d := range of {
		if d.Digest.Hex == l.finder.ref.Digest {
			return nil
		}
		if d.Platform == nil || runsOn(*d.Platform, l.finder.platform) {
			fitting[d.Digest.Hex] = true
		}
	}
	if len(fitting) > 1 {
		return unusable(l.finder.ref, nil, fmt.Sprintf("has %d images for %s in it: sign the request with the digest of one of them, or put it into a layout of its own", len(fitting), l.finder.platform))
	}
	return nil
}

func (l *layout) manifest(_ context.Context, digest v1.Hash) ([]byte, error) {
	return readFile(l.files, blobFile(digest), maxManifest)
}

func (l *layout) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	f, _, err := l.files.open(blobFile(d.Digest))
	if err != nil {
		return nil, err
	}
	return withContext{ctx, f}, nil
}

// blobFile is where a layout has a blob. The digest was checked.
func blobFile(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

// dockerArchive is what docker save wrote before it wrote OCI layouts.
type dockerArchive struct {
	finder finder
	files  files
}

func (a *dockerArchive) close() { a.files.close() }

// saved is an image in the archive's manifest.json: names of files in the archive.
type saved struct {
	Config string
	Layers []string
}

// find takes the one image of the archive, or the one whose configuration has the digest.
func (a *dockerArchive) find(ctx context.Context) (*found, error) {
	ref := a.finder.ref
	raw, err := readFile(a.files, "manifest.json", maxManifest)
	if errors.Is(err, errMissing) {
		return nil, unusable(ref, err, "is a tar archive with neither index.json nor manifest.json in it: use an OCI layout or what docker save writes")
	}
	if err != nil {
		return nil, unavailable(ref, err)
	}
	var images []saved
	if err := json.Unmarshal(raw, &images); err != nil {
		return nil, unusable(ref, err, "has a manifest.json that is not valid")
	}
	if len(images) > maxSaved {
		return nil, unusable(ref, nil, fmt.Sprintf("has %d images in it; at most %d are looked at", len(images), maxSaved))
	}
	for _, im := range images {
		f, err := a.image(im)
		if err != nil {
			return nil, err
		}
		if len(images) == 1 || f.digest == ref.Digest {
			return f, nil
		}
	}
	return nil, unusable(ref, nil, fmt.Sprintf("has %d images in it: sign the request with the image id of one of them, or save it alone", len(images)))
}

// maxSaved is how many images an archive can have.
const maxSaved = 100

// image puts together one image of the archive.
func (a *dockerArchive) image(im saved) (*found, error) {
	ref := a.finder.ref
	raw, err := readFile(a.files, im.Config, maxConfig)
	if errors.Is(err, errMissing) {
		return nil, unusable(ref, err, fmt.Sprintf("has no file %q, which its manifest.json names", clip(im.Config)))
	}
	if err != nil {
		return nil, unavailable(ref, err)
	}
	f := &found{digest: sumOf(raw)}
	if err := json.Unmarshal(raw, &f.config); err != nil {
		return nil, unusable(ref, err, "has a configuration that is not valid JSON")
	}
	if err := checkLayers(ref, f.config, len(im.Layers)); err != nil {
		return nil, err
	}
	for i, name := range im.Layers {
		body, size, err := a.files.open(name)
		if err != nil {
			return nil, unusable(ref, err, fmt.Sprintf("has no file %q, which its manifest.json names", clip(name)))
		}
		_ = body.Close() // only looked for
		f.layers = append(f.layers, layer{size: size, diffID: f.config.RootFS.DiffIDs[i], open: func(ctx context.Context) (io.ReadCloser, error) {
			body, _, err := a.files.open(name)
			if err != nil {
				return nil, unavailable(ref, err)
			}
			return withContext{ctx, body}, nil
		}})
	}
	return f, nil
}
