package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/jsbundle"
	"github.com/nex-engine/nex/internal/program"
)

// localArtifact is what to deploy: a file to upload, or an image, which stays where it is.
type localArtifact struct {
	image nex.Location // of an image; the rest is that of a file

	file    *os.File
	content io.ReadSeeker // what is uploaded: the file, or what was made of it
	size    int64         // of the content
	kind    nex.WorkloadType
	info    program.Info
}

// openArtifact opens a file, or image, and finds out what it is. The caller closes it.
func openArtifact(path string) (_ *localArtifact, err error) {
	if a, err := openImage(path); a != nil || err != nil {
		return a, err
	}
	stat, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, usagef("there is no file %s", path)
	}
	if err != nil || !stat.Mode().IsRegular() {
		return nil, usagef("%s is no file that can be uploaded: give a program, a .js, .ts or a .wasm file, or an image", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if stat, err = f.Stat(); err != nil {
		return nil, err
	}
	a := &localArtifact{file: f, content: f, size: stat.Size()}
	head := make([]byte, 512)
	n, err := f.ReadAt(head, 0)
	if n == 0 && err != nil {
		return nil, fmt.Errorf("%s is empty: give a program, a .js, .ts or a .wasm file", path)
	}
	if a.kind, err = program.TypeOf(path, head[:n]); err != nil {
		return nil, err
	}
	if a.kind == nex.TypeNative {
		if a.info, err = program.Inspect(f, a.size); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return a, nil
}

func (a *localArtifact) close() {
	if a.file != nil {
		a.file.Close()
	}
}

// needs is what the file, and its sandbox, ask of a node.
func (a *localArtifact) needs(f sandboxFlags) nex.AuctionRequest {
	return nex.AuctionRequest{
		WorkloadTypes: []nex.WorkloadType{a.kind}, OS: a.info.OS, Arch: a.info.Arch,
		MinSandbox: nex.SandboxLevel(f.MinSandbox), MemoryMiB: int(f.Memory), Explain: true,
	}
}

// bundle makes a script of a module or of TypeScript, and says so. Other files stay as they are.
func (a *localArtifact) bundle(s *session, path string) error {
	if a.kind == nex.TypeOCI || !jsbundle.Handles(path) {
		return nil
	}
	path = fromHere(path)
	script, err := jsbundle.Build(path)
	if err != nil {
		return err
	}
	for _, w := range script.Warnings {
		s.say("%s", render.Text(w))
	}
	a.content, a.size = bytes.NewReader(script.Code), int64(len(script.Code))
	if !script.Plain {
		s.say("Bundled %s into a script of %s", filepath.Base(path), render.Bytes(a.size))
	}
	return nil
}

// fromHere names a file relative to the working directory, if it lies in it: messages name places in
// it as editors do.
func fromHere(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(relative, "..") {
		return path
	}
	return relative
}
