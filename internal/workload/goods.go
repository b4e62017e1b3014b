package workload

import (
	"cmp"
	"context"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/image"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/program"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Images is where container images come from; image.Store is one.
type Images interface {
	// Resolve looks an image up, without fetching it.
	Resolve(ctx context.Context, ref image.Reference) (digest string, bytes int64, err error)
	// Get brings it to this machine. The caller releases it.
	Get(ctx context.Context, ref image.Reference) (*image.Image, error)
	// Hold is Get for an image that a sandbox has as its root already; nil if it is gone.
	Hold(digest string) *image.Image
}

// goods are what a workload is made of, on this machine: an artifact, which is staged in the sandbox, or
// an image, whose files are the sandbox's root.
type goods struct {
	digest string
	file   *artifact.File
	image  *image.Image
	run    *agentlink.Image // how the image is run
}

func (g goods) release() {
	if g.file != nil {
		g.file.Release()
	}
	if g.image != nil {
		g.image.Release()
	}
}

// rootfs is the root that the sandbox has; empty for the driver's own.
func (g goods) rootfs() string {
	if g.image == nil {
		return ""
	}
	return g.image.Root()
}

// staged are paths in a sandbox.
type staged struct {
	artifact string // empty for an image
	compiled string // empty if there is nothing
}

// stage puts the artifact into the agent's sandbox, and what was compiled of it.
func (w *Workload) stage(g goods, agent *pool.Agent) (s staged, err error) {
	if g.file == nil {
		return staged{}, nil
	}
	if s.artifact, err = agent.Instance.Stage(w.starting, sandbox.ForArtifact, g.file.Path); err != nil {
		return staged{}, nex.Errorf(nex.CodeStartFailed, "put artifact into sandbox: %v", err)
	}
	if w.spec.Type != nex.TypeWasm {
		return s, nil
	}
	if path := w.function.Compiled(g.digest); path != "" {
		if s.compiled, err = agent.Instance.Stage(w.starting, sandbox.ForCompiled, path); err != nil {
			w.m.cfg.Logger.Debug("compiled code not put into sandbox", "workload", w.spec.Name, "id", w.spec.ID, "error", err)
		}
	}
	return s, nil
}

// fetch brings here what the workload is made of, and looks whether it can run.
func (w *Workload) fetch() (goods, error) {
	if w.spec.Type == nex.TypeOCI {
		return w.fetchImage()
	}
	return w.fetchArtifact()
}

// fetchArtifact does the cheapest check first.
func (w *Workload) fetchArtifact() (goods, error) {
	ref := artifact.Ref{
		Location: w.spec.Location, JSDomain: w.spec.JSDomain, Digest: w.wantDigest(), MaxBytes: w.m.cfg.Limits.maxArtifact(),
	}
	size, err := w.m.cfg.Artifacts.Check(w.starting, ref)
	if err != nil {
		return goods{}, err
	}
	if err := w.m.reserve(w, max(size, 0)); err != nil {
		return goods{}, err
	}
	file, err := w.m.cfg.Artifacts.Fetch(w.starting, ref)
	if err != nil {
		return goods{}, err
	}
	if err := w.examine(file); err != nil {
		file.Release()
		return goods{}, err
	}
	return goods{digest: file.Digest, file: file}, nil
}

// wantDigest is the digest that the artifact must have, if any. After the node was started again it is what ran
// before, which is here already, most likely, and must not have become something else meanwhile.
func (w *Workload) wantDigest() string {
	if w.adopted != nil {
		return cmp.Or(w.spec.Digest, w.adopted.digest)
	}
	return w.spec.Digest
}

// examine checks what could not be known before the artifact was here.
func (w *Workload) examine(file *artifact.File) error {
	if err := w.m.reserve(w, file.Size); err != nil {
		return err
	}
	if w.spec.Type.Function() {
		return nil // the agent finds out when it loads it
	}
	c := w.m.cfg.Capabilities
	return program.CheckFile(file.Path, program.Target{OS: c.OS, Arch: c.Arch, HostLibraries: c.HostLibraries})
}

// fetchImage does the cheapest check first.
func (w *Workload) fetchImage() (_ goods, err error) {
	if w.m.cfg.Images == nil {
		return goods{}, nex.Errorf(nex.CodeUnsupportedType, "this node runs no images: choose one with a sandbox level that does")
	}
	ref := image.Reference{Location: w.spec.Location, Digest: w.wantDigest()}
	_, size, err := w.m.cfg.Images.Resolve(w.starting, ref)
	if err != nil {
		return goods{}, err
	}
	if err := w.m.reserve(w, size); err != nil {
		return goods{}, err
	}
	img, err := w.m.cfg.Images.Get(w.starting, ref)
	if err != nil {
		return goods{}, err
	}
	g := goods{digest: img.Digest(), image: img}
	if g.run, err = describe(img, w.spec.Argv); err == nil {
		err = w.m.reserve(w, img.Bytes())
	}
	if err != nil {
		img.Release()
		return goods{}, err
	}
	return g, nil
}

// describe says how an image is run.
func describe(img *image.Image, argv []string) (*agentlink.Image, error) {
	c := img.Config()
	command, err := image.Command(c, argv)
	if err != nil {
		return nil, nex.Errorf(nex.CodeInvalidExecutable, "%v", err)
	}
	user, err := img.User()
	if err != nil {
		return nil, err
	}
	return &agentlink.Image{
		Command: command, Environment: c.Env, Dir: c.WorkingDir, StopSignal: c.StopSignal,
		UID: user.UID, GID: user.GID, Groups: user.Groups, Home: user.Home,
	}, nil
}
