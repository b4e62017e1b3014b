package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// devrunBucket is where devrun uploads to.
const devrunBucket = "NEXCLIFILES"

type devrunCommand struct {
	File        string   `arg:"" help:"Program, JavaScript or TypeScript file, WebAssembly module, or image to run."`
	Environment []string `arg:"" optional:"" name:"env" help:"Environment of the workload, as name=value."`
	deployFlags
	graceFlag
	Name        string `help:"Name of the workload; made of the name of the file if not given." placeholder:"NAME"`
	Description string `help:"Description of the workload." default:"Workload published in devmode" placeholder:"TEXT"`
}

// Run uploads, replaces and deploys.
func (c *devrunCommand) Run(ctx context.Context, s *session) error {
	if err := c.checkGrace(); err != nil {
		return err
	}
	environment, err := parseEnvironment(c.Environment)
	if err != nil {
		return err
	}
	if c.File, err = sourceOf(c.File); err != nil {
		return err
	}
	local, err := openArtifact(c.File)
	if err != nil {
		return err
	}
	defer local.close()
	d := client.Deployment{
		Name: c.Name, Type: local.kind, Description: c.Description, Argv: c.Argv,
		Environment: environment,
	}
	if err := c.set(&d); err != nil {
		return err
	}
	switch {
	case d.Name != "":
	case d.Type == nex.TypeOCI:
		d.Name = imageName(filepath.ToSlash(c.File))
	default:
		d.Name = workloadName(c.File)
	}
	if err := c.check(s.Namespace, d); err != nil {
		return err
	}
	if err := local.bundle(s, c.File); err != nil {
		return err
	}
	if d.Issuer, err = c.issuer(s, true); err != nil {
		return err
	}
	if d.Sender, err = c.publisher(s, true); err != nil {
		return err
	}
	return s.withClient(ctx, func(cl *client.Client) error {
		place, err := c.uploadAndPlace(ctx, s, cl, local, &d)
		if err != nil {
			return err
		}
		s.warnOfLoopback(d, place.node)
		running, err := locate(ctx, cl, place.nodes, d.Name)
		if err != nil {
			return err
		}
		if d.Type.Function() || place.node.Tags[nex.TagSandbox] != string(nex.SandboxNone) {
			return c.relieve(ctx, s, cl, d, running)
		}
		if err := c.stop(ctx, s, cl, d, running); err != nil {
			return err
		}
		_, err = c.deploy(ctx, s, cl, d)
		return err
	})
}

// relieve deploys a workload and then stops those that it replaces: they share their calls as long as both
// are there, so that no call is without an answer, and a function that is not loaded, or a program that the
// node refuses, takes nothing away. Programs without a sandbox may be in each other's way, and are stopped
// first.
func (c *devrunCommand) relieve(ctx context.Context, s *session, cl *client.Client, d client.Deployment, running []locatedWorkload) error {
	answer, err := c.deploy(ctx, s, cl, d)
	if answer.ID == "" || answer.State.Ended() {
		return err // it was refused, or could not be loaded
	}
	ended := err != nil && !d.Type.Function() // right after its start
	if answer.State == nex.StateStarting || ended {
		c.keep(s, running)
		return err
	}
	kept := c.stop(ctx, s, cl, d, running)
	if kept == nil {
		return err
	}
	// What cannot be replaced must not answer half of the calls.
	_, err = cl.Stop(ctx, client.Stopping{Node: d.Node, ID: answer.ID, Name: answer.Name, Issuer: d.Issuer, Grace: c.onWire()})
	if err != nil {
		return fmt.Errorf("%w; the new one, %s, could not be stopped again: %w", kept, answer.ID, err)
	}
	return kept
}

// keep says what goes on running beside a new workload that may or may not run soon.
func (c *devrunCommand) keep(s *session, running []locatedWorkload) {
	for _, w := range running {
		if !w.State.Ended() {
			s.say("The workload that it replaces still runs: stop it with nex stop %s once the new one runs", w.ID)
		}
	}
}

// uploadAndPlace finds a node and then uploads, so that what no node takes is not left in the store. An
// image is not uploaded: the node fetches it from where it lies.
func (c *devrunCommand) uploadAndPlace(ctx context.Context, s *session, cl *client.Client, a *localArtifact, d *client.Deployment) (*placement, error) {
	place, err := findNode(ctx, cl, a.needs(c.sandboxFlags))
	if err != nil {
		return nil, err
	}
	d.Node, d.Xkey = place.node.NodeID, place.node.TargetXkey
	if a.kind == nex.TypeOCI {
		d.Location = a.image
		d.Digest, err = resolveImage(ctx, s, a.image, place.node)
		return place, err
	}
	bar := s.uploadBar(filepath.Base(c.File), a.size)
	defer bar.done()
	d.Location, d.Digest, err = cl.Upload(ctx, client.Upload{
		Bucket: devrunBucket, Key: s.Namespace + "/" + d.Name, Content: a.content, Progress: bar.sent,
	})
	return place, err
}

// stop stops workloads of the same name.
func (c *devrunCommand) stop(ctx context.Context, s *session, cl *client.Client, d client.Deployment, running []locatedWorkload) error {
	for _, w := range running {
		if w.State.Ended() {
			continue // the node forgets it by itself
		}
		_, err := cl.Stop(ctx, client.Stopping{Node: w.Node, ID: w.ID, Name: w.Workload.Name, Issuer: d.Issuer, Grace: c.onWire()})
		if errors.Is(err, nex.ErrWorkloadNotFound) {
			return fmt.Errorf("workload %s runs on node %s and was started by another issuer: choose another --name, or give its --issuer", d.Name, w.Node)
		}
		if err != nil {
			return fmt.Errorf("replace workload %s: %w", w.ID, err)
		}
		s.say("Stopped the running workload '%s' with ID: %s", d.Name, w.ID)
	}
	return nil
}

// workloadName makes a name of a file's: what cannot be in a name is left out, so that
// echofunction.js becomes echofunctionjs.
func workloadName(path string) string {
	name := strings.Map(func(r rune) rune {
		if nex.CheckName(string(r)) != nil {
			return -1
		}
		return r
	}, strings.TrimSuffix(filepath.Base(path), ".exe"))
	return name[:min(len(name), nex.MaxNameLength)]
}
