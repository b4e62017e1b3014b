package image

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	nex "github.com/nex-engine/nex"
)

// source is a place that the image of one Reference comes from. Its errors are ready for a client. It
// is used by one goroutine at a time.
type source interface {
	// find looks the image for the platform up. What it returns is what the Reference means.
	find(ctx context.Context) (*found, error)
	// close gives back what the source holds; nothing that it found can be read any more.
	close()
}

// found is an image that has been looked up, but for its layers.
type found struct {
	digest  string   // sha256 in hex; what the image is filed under
	indexes []string // digests of the indexes that led to it
	config  v1.ConfigFile
	layers  []layer // the lowest first
}

// layer is a layer of an image where it lies.
type layer struct {
	// digest and size are those of the bytes that open returns. An archive of docker save does not know the
	// digest, which is nil then; the diffID is enough there.
	digest *v1.Hash
	size   int64
	diffID v1.Hash // of the tar archive, when it is not compressed any more
	open   func(ctx context.Context) (io.ReadCloser, error)
}

// bytes is how large the layers are where they lie. Their sizes are not to be trusted.
func (f *found) bytes() int64 {
	var sum int64
	for _, l := range f.layers {
		if l.size > math.MaxInt64-sum {
			return math.MaxInt64
		}
		sum += l.size
	}
	return sum
}

// checkDigest refuses an image that is not the one the Reference means.
func (f *found) checkDigest(ref Reference) error {
	if ref.Digest == "" || f.digest == ref.Digest || slices.Contains(f.indexes, ref.Digest) {
		return nil
	}
	return nex.Errorf(nex.CodeDigestMismatch, "image %s is sha256:%s, not sha256:%s as the request says: sign the request with the digest of what lies there", ref, f.digest, ref.Digest)
}

// checkPlatform refuses an image that is for another platform.
func (f *found) checkPlatform(ref Reference, want v1.Platform) error {
	have := v1.Platform{OS: f.config.OS, Architecture: f.config.Architecture, Variant: f.config.Variant}
	if runsOn(have, want) {
		return nil
	}
	return unusable(ref, nil, fmt.Sprintf("is for %s and the node runs %s: build it for that", clip(have.String()), want))
}

// runsOn reports whether something for the platform have can run where want is what runs. The first
// variant of arm64 goes by two names.
func runsOn(have, want v1.Platform) bool {
	variant := func(p v1.Platform) string {
		if p.Architecture == "arm64" && p.Variant == "v8" {
			return ""
		}
		return p.Variant
	}
	return have.OS == want.OS && have.Architecture == want.Architecture &&
		(variant(have) == "" || variant(want) == "" || variant(have) == variant(want))
}

// sources makes the source of a Reference.
type sources struct {
	allowFile bool
	platform  v1.Platform
	registry  *registryClient
}

func newSources(cfg Config) (sources, error) {
	if cfg.Platform == "" {
		cfg.Platform = "linux/" + runtime.GOARCH
	}
	platform, err := v1.ParsePlatform(cfg.Platform)
	if err != nil || platform.OS == "" || platform.Architecture == "" {
		return sources{}, fmt.Errorf("platform %q is not of the form os/architecture or os/architecture/variant", cfg.Platform)
	}
	return sources{allowFile: cfg.AllowFile, platform: *platform, registry: newRegistryClient(cfg)}, nil
}

func (s sources) close() { s.registry.close() }

// check refuses a Reference that is malformed or not allowed. It does no I/O.
func (s sources) check(ref Reference) error {
	if err := ref.check(); err != nil {
		return err
	}
	if ref.Location.Scheme == nex.SchemeFile && !s.allowFile {
		return nex.Errorf(nex.CodeLocationDenied, "image %s is a file on the node, which this node does not allow: push it to a registry and use oci://registry/name:tag, or give the node a configuration with {\"allow_file_artifacts\": true}", ref)
	}
	return nil
}

// find opens the source of a Reference that was checked, and looks the image up there. The caller
// closes the source.
func (s sources) find(ctx context.Context, ref Reference) (*found, source, error) {
	src, err := s.open(ref)
	if err != nil {
		return nil, nil, err
	}
	f, err := src.find(ctx)
	if err == nil {
		err = f.checkDigest(ref)
	}
	if err == nil {
		err = f.checkPlatform(ref, s.platform)
	}
	if err == nil {
		return f, src, nil
	}
	src.close()
	if ctx.Err() != nil {
		return nil, nil, gaveUp(ctx, ref)
	}
	return nil, nil, err
}

func (s sources) open(ref Reference) (source, error) {
	if ref.Location.Scheme == SchemeOCI {
		return s.registry.source(ref, s.platform)
	}
	return openFile(ref, s.platform)
}

// Resolve looks an image up without reading its layers, and returns the digest to sign for it and how
// many bytes a node will download. Of cfg, Dir and what bounds or logs the store do not count. The
// Platform matters: it has to be that of the node which will run the image.
func Resolve(ctx context.Context, cfg Config, ref Reference) (digest string, bytes int64, err error) {
	s, err := newSources(cfg)
	if err != nil {
		return "", 0, fmt.Errorf("resolve image: %w", err)
	}
	defer s.close()
	return s.resolve(ctx, ref)
}

func (s sources) resolve(ctx context.Context, ref Reference) (string, int64, error) {
	if err := s.check(ref); err != nil {
		return "", 0, err
	}
	f, src, err := s.find(ctx, ref)
	if err != nil {
		return "", 0, err
	}
	src.close()
	return f.digest, f.bytes(), nil
}

// platforms lists platforms for a message.
func platforms(of []v1.Descriptor) string {
	var names []string
	for _, d := range of {
		if d.Platform != nil {
			names = append(names, d.Platform.String())
		}
	}
	slices.Sort(names)
	return clip(strings.Join(slices.Compact(names), ", "))
}
