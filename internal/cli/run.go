package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/claims"
	"github.com/nex-engine/nex/internal/jsbundle"
	"github.com/nex-engine/nex/internal/natsconn"
)

type runCommand struct {
	URL         string   `arg:"" help:"URL of the artifact: nats://BUCKET/key, https://host/path, file:///path on the node, or oci://registry/repository:tag."`
	Node        string   `arg:"" help:"Id of the node."`
	Environment []string `arg:"" optional:"" name:"env" help:"Environment of the workload, as name=value."`
	deployFlags
	Name        string `help:"Name of the workload; made of the name of the artifact if not given." placeholder:"NAME"`
	Type        string `help:"Type of the workload: native, v8, wasm or oci; inferred from the URL if not given." enum:",native,v8,wasm,oci" default:"" placeholder:"TYPE"`
	Description string `help:"Description of the workload." placeholder:"TEXT"`
	Digest      string `help:"sha256 of the artifact, of an image that of its manifest, in hex; looked up in the object store or the registry if not given." placeholder:"HEX"`
}

// Run deploys what lies at a location.
func (c *runCommand) Run(ctx context.Context, s *session) error {
	location, err := nex.ParseLocation(c.URL)
	if err != nil {
		return err
	}
	environment, err := parseEnvironment(c.Environment)
	if err != nil {
		return err
	}
	d := client.Deployment{
		Node: c.Node, Name: c.Name, Location: location, Description: c.Description,
		Argv: c.Argv, Environment: environment,
	}
	if err := c.set(&d); err != nil {
		return err
	}
	if d.Type, err = c.workloadType(location); err != nil {
		return err
	}
	if err := location.CheckType(d.Type); err != nil {
		return err
	}
	switch {
	case d.Name != "":
	case d.Type == nex.TypeOCI:
		d.Name = imageName(location.Path)
	default:
		d.Name = workloadName(location.Path)
	}
	if err := c.check(s.Namespace, d); err != nil {
		return err
	}
	if d.Issuer, err = c.issuer(s, true); err != nil {
		return err
	}
	if d.Sender, err = c.publisher(s, true); err != nil {
		return err
	}
	return s.withClient(ctx, func(cl *client.Client) error {
		node, err := cl.Ping(ctx, c.Node)
		if err != nil {
			return err
		}
		d.Xkey = node.TargetXkey
		s.warnOfLoopback(d, node)
		if d.Type == nex.TypeOCI && c.Digest == "" {
			d.Digest, err = resolveImage(ctx, s, location, node)
		} else {
			d.Digest, err = c.digest(ctx, s, cl, location)
		}
		if err != nil {
			return err
		}
		_, err = c.deploy(ctx, s, cl, d)
		return err
	})
}

// workloadType is what the flag says, or the location: its scheme, or the ending of the artifact's name.
func (c *runCommand) workloadType(l nex.Location) (nex.WorkloadType, error) {
	switch ending := strings.ToLower(filepath.Ext(l.Path)); {
	case c.Type != "":
		return nex.WorkloadType(c.Type), nil
	case l.Scheme == nex.SchemeOCI || l.Scheme == nex.SchemeFile && ending == ".tar":
		return nex.TypeOCI, nil
	case ending == ".js" || ending == ".mjs":
		return nex.TypeV8, nil
	case ending == ".wasm":
		return nex.TypeWasm, nil
	case jsbundle.Handles(l.Path):
		return "", usagef("a node cannot run %s artifacts: deploy the file with nex devrun, which makes a script of it, or say with --type v8 that it is one", ending)
	}
	return nex.TypeNative, nil
}

// digest finds out the artifact's digest, which is signed, where it is not given.
func (c *runCommand) digest(ctx context.Context, s *session, cl *client.Client, l nex.Location) (string, error) {
	switch {
	case c.Digest != "":
		if !claims.IsDigest(c.Digest) {
			return "", usagef("--digest %q is not a sha256 in lower-case hex", c.Digest)
		}
		return c.Digest, nil
	case l.Scheme == nex.SchemeNATS:
		return c.storedDigest(ctx, s, cl, l)
	case l.Scheme == nex.SchemeFile:
		return fileDigest(l.Path)
	}
	return "", usagef("give --digest, the sha256 of what lies at %s://%s", l.Scheme, l.Host) // the rest may hold secrets
}

// storedDigest asks the object store in the control account, and, beside a local nex up, the one in
// the workload account, in that order, as the node does.
func (c *runCommand) storedDigest(ctx context.Context, s *session, cl *client.Client, l nex.Location) (string, error) {
	digest, err := cl.StoredDigest(ctx, l, "")
	local := s.localUp()
	if err == nil || local == nil {
		return digest, err
	}
	nc, connectErr := natsconn.Settings{Server: local.NATSURL, NoContext: true, Timeout: s.Timeout}.Connect(ctx)
	if connectErr != nil {
		return "", err
	}
	defer nc.Close()
	place, placeErr := s.discovered().JetStreamPlace()
	if placeErr != nil {
		return "", err
	}
	return client.New(nc, client.Config{Timeout: s.Timeout}).StoredDigest(ctx, l, place.Domain)
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the artifact for its digest: %w: give --digest if the file is on the node only", err)
	}
	defer f.Close()
	if stat, err := f.Stat(); err == nil && stat.IsDir() {
		return "", usagef("%s is a folder: if it is an image, say so with --type oci", path)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", fmt.Errorf("read the artifact for its digest: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
