package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/castore"
)

// Bounds of what is read into memory, and of how far indexes lead.
const (
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
	maxLayers   = 1000
	maxIndexes  = 4
)

// errMissing is the cause when a place does not have a blob.
var errMissing = errors.New("it is not there")

// blobs is a place where everything is found by its digest. Its errors are ready for a client, except
// errMissing.
type blobs interface {
	// manifest returns a manifest or index, at most maxManifest bytes. It need not verify the digest.
	manifest(ctx context.Context, digest v1.Hash) ([]byte, error)
	// open starts to read a blob. The caller closes it; ctx bounds it until then.
	open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
}

// finder follows manifests to the image for a platform.
type finder struct {
	ref      Reference
	platform v1.Platform
	blobs    blobs
}

// document has the fields of manifests and of indexes.
type document struct {
	MediaType types.MediaType `json:"mediaType"`
	Manifests []v1.Descriptor `json:"manifests"`
	Config    v1.Descriptor   `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
}

// follow finds the image that a manifest or index, with that digest, leads to.
func (f *finder) follow(ctx context.Context, raw []byte, digest string) (*found, error) {
	var indexes []string
	for range maxIndexes {
		doc, err := f.parse(raw)
		if err != nil {
			return nil, err
		}
		if doc.Manifests == nil {
			return f.image(ctx, doc, digest, indexes)
		}
		indexes = append(indexes, digest)
		next, err := f.choose(doc.Manifests)
		if err != nil {
			return nil, err
		}
		if raw, err = f.fetch(ctx, next); err != nil {
			return nil, err
		}
		digest = next.Digest.Hex
	}
	return nil, unusable(f.ref, nil, fmt.Sprintf("is a list of lists more than %d deep", maxIndexes))
}

func (f *finder) parse(raw []byte) (document, error) {
	var doc document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return doc, unusable(f.ref, err, "has a manifest that is not valid JSON: push it again")
	}
	if doc.MediaType.IsSchema1() || doc.Manifests == nil && doc.Config.Digest.Hex == "" {
		return doc, unusable(f.ref, nil, "has a manifest of an old or unknown kind: push it again with a newer tool")
	}
	return doc, nil
}

// choose picks the entry of an index for the platform: the one that was asked for by digest, or else
// the first that fits. Entries that do not say what they are for count if no other fits.
func (f *finder) choose(of []v1.Descriptor) (v1.Descriptor, error) {
	isManifest := func(d v1.Descriptor) bool { return d.MediaType.IsImage() || d.MediaType.IsIndex() || d.MediaType == "" }
	of = slices.DeleteFunc(slices.Clone(of), func(d v1.Descriptor) bool {
		return !isManifest(d) || d.Platform != nil && d.Platform.OS == "unknown" // notes about the others
	})
	if i := slices.IndexFunc(of, func(d v1.Descriptor) bool { return d.Digest.Hex == f.ref.Digest }); i >= 0 {
		return of[i], nil
	}
	if i := slices.IndexFunc(of, func(d v1.Descriptor) bool { return d.Platform != nil && runsOn(*d.Platform, f.platform) }); i >= 0 {
		return of[i], nil
	}
	if i := slices.IndexFunc(of, func(d v1.Descriptor) bool { return d.Platform == nil }); i >= 0 {
		return of[i], nil
	}
	if len(of) == 0 {
		return v1.Descriptor{}, unusable(f.ref, nil, "is a list without an image in it")
	}
	return v1.Descriptor{}, unusable(f.ref, nil, fmt.Sprintf("is not for %s, which this node runs, but for %s: build it for that", f.platform, platforms(of)))
}

// fetch returns a manifest or index and verifies it.
func (f *finder) fetch(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if !isSHA256(d.Digest) {
		return nil, f.unknownHash(d.Digest)
	}
	raw, err := f.blobs.manifest(ctx, d.Digest)
	if err != nil {
		return nil, f.explain(err, "manifest", d.Digest)
	}
	return raw, f.verify(raw, "manifest", d.Digest)
}

// image puts together what an image's manifest says.
func (f *finder) image(ctx context.Context, doc document, digest string, indexes []string) (*found, error) {
	if t := doc.Config.MediaType; t != "" && !t.IsConfig() {
		return nil, unusable(f.ref, nil, fmt.Sprintf("is no container image but %q", clip(string(t))))
	}
	raw, err := f.config(ctx, doc.Config)
	if err != nil {
		return nil, err
	}
	im := &found{digest: digest, indexes: indexes}
	if err := json.Unmarshal(raw, &im.config); err != nil {
		return nil, unusable(f.ref, err, "has a configuration that is not valid JSON: push it again")
	}
	if err := checkLayers(f.ref, im.config, len(doc.Layers)); err != nil {
		return nil, err
	}
	for i, d := range doc.Layers {
		if !d.MediaType.IsLayer() {
			return nil, unusable(f.ref, nil, fmt.Sprintf("has a layer of the unknown kind %q", clip(string(d.MediaType))))
		}
		if !isSHA256(d.Digest) {
			return nil, f.unknownHash(d.Digest)
		}
		if d.Size < 0 {
			return nil, unusable(f.ref, nil, "has a layer of negative size")
		}
		im.layers = append(im.layers, layer{digest: &d.Digest, size: d.Size, diffID: im.config.RootFS.DiffIDs[i], open: func(ctx context.Context) (io.ReadCloser, error) {
			body, err := f.blobs.open(ctx, d)
			if err != nil {
				return nil, f.explain(err, "layer", d.Digest)
			}
			return body, nil
		}})
	}
	return im, nil
}

// config returns the bytes of an image's configuration, verified.
func (f *finder) config(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if !isSHA256(d.Digest) {
		return nil, f.unknownHash(d.Digest)
	}
	if d.Size < 0 || d.Size > maxConfig {
		return nil, unusable(f.ref, nil, fmt.Sprintf("has a configuration of %d bytes; at most %d are read", d.Size, maxConfig))
	}
	body, err := f.blobs.open(ctx, d)
	if err != nil {
		return nil, f.explain(err, "configuration", d.Digest)
	}
	defer body.Close() // only read
	raw, err := io.ReadAll(io.LimitReader(body, maxConfig))
	if err != nil {
		return nil, unavailable(f.ref, err)
	}
	return raw, f.verify(raw, "configuration", d.Digest)
}

// checkLayers refuses an image whose configuration does not fit to its layers.
func checkLayers(ref Reference, c v1.ConfigFile, layers int) error {
	switch {
	case layers > maxLayers:
		return unusable(ref, nil, fmt.Sprintf("has %d layers; at most %d are unpacked", layers, maxLayers))
	case layers != len(c.RootFS.DiffIDs):
		return unusable(ref, nil, fmt.Sprintf("has %d layers, but its configuration speaks of %d: push it again", layers, len(c.RootFS.DiffIDs)))
	case !slices.ContainsFunc(c.RootFS.DiffIDs, func(h v1.Hash) bool { return !isSHA256(h) }):
		return nil
	}
	return unusable(ref, nil, "has a layer whose diff id is not a sha256")
}

// verify refuses bytes that have not the digest they should.
func (f *finder) verify(raw []byte, what string, want v1.Hash) error {
	if got := sumOf(raw); got != want.Hex {
		return nex.Errorf(nex.CodeDigestMismatch, "the %s of image %s has sha256 %s, not %s: what is stored there is damaged, push it again", what, f.ref, got, want.Hex)
	}
	return nil
}

// explain makes an error of a place that lacks a part of the image ready for a client.
func (f *finder) explain(err error, what string, digest v1.Hash) error {
	if errors.Is(err, errMissing) {
		return notFound(f.ref, err, fmt.Sprintf("its %s sha256:%s is missing there; push it again", what, digest.Hex))
	}
	return unavailable(f.ref, err)
}

func (f *finder) unknownHash(h v1.Hash) error {
	return unusable(f.ref, nil, fmt.Sprintf("refers to %q, which is not a sha256", clip(h.String())))
}

func isSHA256(h v1.Hash) bool { return h.Algorithm == "sha256" && castore.IsDigest(h.Hex) }

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
