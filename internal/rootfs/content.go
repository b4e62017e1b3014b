package rootfs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/guest"
)

// sink is where a root file system is put together. Its methods do what those of [ext4.Writer] do.
type sink interface {
	Mkdir(name string, a ext4.Attr) error
	File(name string, a ext4.Attr, size int64, content io.Reader) error
	Symlink(name, target string, a ext4.Attr) error
	Link(name, old string) error
	Close() error
}

// Paths in it.
const (
	nexDir      = "/usr/lib/nex"
	agentHome   = "/home/nex"
	workDir     = "/work"
	passwdFile  = "/etc/passwd"
	groupFile   = "/etc/group"
	hostsFile   = "/etc/hosts"
	resolvConf  = "/etc/resolv.conf"
	nameService = "/etc/nsswitch.conf"
)

// certificates is where systems keep the certificates that they trust. The first one is where programs
// look first.
var certificates = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// dirs are the directories, outer ones first.
var dirs = []struct {
	path string
	ext4.Attr
}{
	{"/", dirAttr(0o755, 0)},
	{"/dev", dirAttr(0o755, 0)},
	{"/etc", dirAttr(0o755, 0)},
	{"/home", dirAttr(0o755, 0)},
	{agentHome, dirAttr(0o755, guest.AgentUser)},
	{"/proc", dirAttr(0o555, 0)},
	{"/run", dirAttr(0o755, 0)},
	{"/sys", dirAttr(0o555, 0)},
	{"/tmp", dirAttr(0o777|fs.ModeSticky, 0)},
	{"/usr", dirAttr(0o755, 0)},
	{"/usr/lib", dirAttr(0o755, 0)},
	{nexDir, dirAttr(0o755, 0)},
	{workDir, dirAttr(0o755, guest.WorkloadUser)},
	{"/.nex", dirAttr(0o755, 0)}, // what sandboxes of gVisor mount their own things on
}

func dirAttr(mode fs.FileMode, user uint32) ext4.Attr {
	return ext4.Attr{Mode: mode, UID: user, GID: user, ModTime: epoch}
}

// fill puts the base and what belongs on top of it into a sink.
func (b *builder) fill(ctx context.Context, into sink, base *os.Root) error {
	texts, err := textFiles(base)
	if err != nil {
		return err
	}
	if base != nil {
		if err := b.copyBase(ctx, into, base); err != nil {
			return fmt.Errorf("take over the base %s: %w", b.Base, err)
		}
	}
	for _, d := range dirs {
		if err := into.Mkdir(d.path, d.Attr); err != nil {
			return err
		}
	}
	for _, f := range texts {
		if err := into.File(f.path, ext4.Attr{Mode: 0o644, ModTime: epoch}, int64(len(f.text)), bytes.NewReader(f.text)); err != nil {
			return err
		}
	}
	for _, p := range []struct{ from, to string }{{b.Init, guest.InitPath}, {b.Agent, guest.AgentPath}} {
		if err := addProgram(ctx, into, p.from, p.to); err != nil {
			return err
		}
	}
	return nil
}

// addProgram adds a program of this machine.
func addProgram(ctx context.Context, into sink, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return into.File(to, ext4.Attr{Mode: 0o755, ModTime: epoch}, info.Size(), withContext{ctx, f})
}

// textFile is a file that is not copied from somewhere.
type textFile struct {
	path string
	text []byte
}

// textFiles are those files, in order.
func textFiles(base *os.Root) ([]textFile, error) {
	passwd, err := readBase(base, passwdFile)
	if err != nil {
		return nil, err
	}
	group, err := readBase(base, groupFile)
	if err != nil {
		return nil, err
	}
	files := []textFile{
		{groupFile, withEntries(group, groups)},
		{hostsFile, []byte("127.0.0.1 localhost nex\n::1 localhost nex\n")},
		{passwdFile, withEntries(passwd, users)},
		{resolvConf, nil},
	}
	if !baseHas(base, nameService) {
		files = append(files, textFile{nameService, []byte("passwd: files\ngroup: files\nhosts: files dns\n")})
	}
	if baseHas(base, certificates...) {
		return files, nil
	}
	for _, path := range certificates {
		if text, err := os.ReadFile(path); err == nil {
			return append(files, textFile{certificates[0], text}), nil
		}
	}
	return files, nil
}

// withContext is a reader that ends with a ctx.
type withContext struct {
	ctx context.Context
	io.Reader
}

func (r withContext) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}
