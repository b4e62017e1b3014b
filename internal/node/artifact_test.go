package node_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// programBytes returns the bytes of a program in binDir.
func programBytes(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(binDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// forOtherMachine is testprog, which says that it was built for another architecture.
func forOtherMachine(t testing.TB) []byte {
	b := programBytes(t, "testprog")
	other := elf.EM_AARCH64
	if runtime.GOARCH == "arm64" {
		other = elf.EM_X86_64
	}
	binary.LittleEndian.PutUint16(b[18:], uint16(other))
	return b
}

// withInterpreter is the least of a program that names a dynamic linker.
func withInterpreter(t testing.TB, linker string) []byte {
	t.Helper()
	const headers = 64 + 2*56
	machine := elf.EM_X86_64
	if runtime.GOARCH == "arm64" {
		machine = elf.EM_AARCH64
	}
	size := uint64(len(linker) + 1)
	var b bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Entry: headers,
			Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 2,
		},
		elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: headers, Memsz: headers, Flags: uint32(elf.PF_R | elf.PF_X)},
		elf.Prog64{Type: uint32(elf.PT_INTERP), Off: headers, Vaddr: headers, Filesz: size, Memsz: size, Flags: uint32(elf.PF_R)},
		[]byte(linker + "\x00"),
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestBadArtifacts(t *testing.T) {
	t.Parallel()
	r := start(t)
	const missingLinker = "/lib64/ld-nowhere.so.9"
	whole := programBytes(t, "testprog")
	for _, c := range []struct {
		name    string
		content []byte
		code    nex.Code
		text    string
	}{
		{"nothing", nil, nex.CodeInvalidExecutable, "the artifact is empty"},
		{"script", []byte("#!/bin/sh\necho hey\n"), nex.CodeInvalidExecutable, `a script for "/bin/sh"`},
		{"text", []byte("(subject, payload) => payload\n"), nex.CodeInvalidExecutable, "a text file"},
		{"other architecture", forOtherMachine(t), nex.CodeInvalidExecutable, "build it for that architecture"},
		{"missing dynamic linker", withInterpreter(t, missingLinker), nex.CodeInvalidExecutable, missingLinker},
		{"beginning of a program", whole[:100], nex.CodeInvalidExecutable, "cut off"},
		{"half of a program", whole[:len(whole)/2], nex.CodeInvalidExecutable, "cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			d := in.upload(in.testprog("prog"), "bad", c.content)
			in.deployFails(d, c.code, c.text)
			in.unharmed()
		})
	}
}

// deployFails checks that a deployment is refused with the code and a sentence that has the text.
func (r *rig) deployFails(d client.Deployment, code nex.Code, text string) {
	r.Helper()
	_, err := r.client.Deploy(r.Context(), d)
	if nex.CodeOf(err) != code {
		r.Errorf("deploy: code = %q (%v), want %q", nex.CodeOf(err), err, code)
	}
	if err != nil && !strings.Contains(err.Error(), text) {
		r.Errorf("deploy: %q, want it to contain %q", err, text)
	}
}

func TestArtifactsThatAreNotThere(t *testing.T) {
	t.Parallel()
	r := start(t)
	there := r.upload(r.testprog("prog"), "prog", programBytes(t, "testprog"))
	for _, c := range []struct {
		name   string
		change func(*client.Deployment)
		code   nex.Code
		text   string
	}{
		{"bucket", func(d *client.Deployment) { d.Location.Host = "NOWHERE" }, nex.CodeArtifactNotFound, `there is no object store bucket "NOWHERE"`},
		{"key", func(d *client.Deployment) { d.Location.Path = "/nowhere" }, nex.CodeArtifactNotFound, `has no object "nowhere"`},
		{"file", func(d *client.Deployment) {
			d.Location = nex.Location{Scheme: nex.SchemeFile, Path: "/nowhere/prog"}
		}, nex.CodeArtifactNotFound, "/nowhere/prog"},
		{"domain", func(d *client.Deployment) { d.JSDomain = "moon" }, nex.CodeArtifactUnavailable, `domain "moon"`},
		{"digest", func(d *client.Deployment) { d.Digest = strings.Repeat("0", 64) }, nex.CodeDigestMismatch, "sha256"},
		{"digest of a file", func(d *client.Deployment) {
			d.Location, d.Digest = r.testprog("prog").Location, strings.Repeat("0", 64)
		}, nex.CodeDigestMismatch, "sha256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			d := there
			c.change(&d)
			in.deployFails(d, c.code, c.text)
			in.unharmed()
		})
	}
}

func TestArtifactWithoutJetStream(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.nats = func(o *server.Options) { o.JetStream = false } })
	d := r.testprog("prog")
	d.Location = nex.Location{Scheme: nex.SchemeNATS, Host: "B", Path: "/prog"}
	r.deployFails(d, nex.CodeArtifactUnavailable, "JetStream is not enabled")
	r.unharmed()
}

// TestTooLargeArtifactIsNotDownloaded listens to what the node asks of JetStream: an object is read
// with a consumer.
func TestTooLargeArtifactIsNotDownloaded(t *testing.T) {
	t.Parallel()
	content := programBytes(t, "testprog")
	r := start(t, func(s *setup) {
		// What makes sure that the node is unharmed is larger than testprog.
		s.NodeLimits.MaxWorkloadBytes = int64(len(programBytes(t, "echoservice")))
	})
	reads, err := r.nc.SubscribeSync("$JS.API.CONSUMER.CREATE.OBJ_B.>")
	if err != nil {
		t.Fatal(err)
	}
	large := make([]byte, int(r.settings.NodeLimits.MaxWorkloadBytes)+1)
	copy(large, content)
	r.deployFails(r.upload(r.testprog("prog"), "large", large), nex.CodeArtifactTooLarge, "Workload file size would exceed node limitations")
	r.seen(reads, 0)
	r.unharmed()

	d := r.upload(r.testprog("prog", "wait"), "fits", content)
	id := r.deploy(d)
	r.undeploy(d, id)
	r.seen(reads, 1)
}

func TestTotalOfArtifactsIsLimited(t *testing.T) {
	t.Parallel()
	echo := int64(len(programBytes(t, "echoservice")))
	r := start(t, func(s *setup) { s.NodeLimits.MaxTotalBytes = echo + 1 })
	d := r.testprog("prog", "wait")
	id := r.deploy(d)
	r.deployFails(r.program("echoservice", "echoservice"), nex.CodeArtifactTooLarge, "Workload file size would exceed node limitations")
	r.undeploy(d, id)
	r.unharmed()
}

func TestFileArtifactsAreDeniedUnlessAllowed(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.AllowFileArtifacts = false })
	r.deployFails(r.testprog("prog"), nex.CodeLocationDenied, "allow_file_artifacts")
	d := r.upload(r.testprog("prog", "wait"), "prog", programBytes(t, "testprog"))
	id := r.deploy(d)
	r.undeploy(d, id)
	r.clean()
}
