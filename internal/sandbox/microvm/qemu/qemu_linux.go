package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// Name is the VMM's name.
const Name = "qemu"

// Program is the name of QEMU's program for this machine's kind of processor.
const Program = "qemu-system-x86_64"

// Names of sockets in the directory of a machine.
const (
	guestSocket   = "guest"
	monitorSocket = "monitor"
)

// Config is what QEMU needs.
type Config struct {
	// Path is QEMU's program; empty looks for [Program] in PATH.
	Path string
	// Emulate never uses KVM.
	Emulate bool
	// Logger is told why KVM is not used. Nil discards.
	Logger *slog.Logger
}

// QEMU is a VMM. It is safe for concurrent use.
type QEMU struct {
	path    string
	emulate bool
	log     *slog.Logger

	probing sync.Mutex
	found   abilities // once there is an accelerator in it

	memories memories
}

var _ vmm.VMM = (*QEMU)(nil)

// abilities are what was found out by trying.
type abilities struct {
	accelerator string // kvm or tcg
	filter      bool   // it can filter its own system calls
	tscKHz      int    // of an emulated processor
}

// New finds the program. It does not try whether that works: see Check.
func New(c Config) (*QEMU, error) {
	if runtime.GOARCH != "amd64" {
		return nil, errors.New("QEMU runs microVMs on amd64 only: use firecracker")
	}
	path := c.Path
	if path == "" {
		path = Program
	}
	found, err := exec.LookPath(path)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err != nil {
		return nil, fmt.Errorf("QEMU's program %s cannot be run: install QEMU (Debian: qemu-system-x86): %w", path, err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &QEMU{path: found, emulate: c.Emulate, log: c.Logger}, nil
}

// Name implements [vmm.VMM].
func (q *QEMU) Name() string { return Name }

// Features implements [vmm.VMM].
func (q *QEMU) Features() vmm.Features { return vmm.Features{Snapshots: true} }

// Check implements [vmm.VMM]: it runs a machine of a few instructions.
func (q *QEMU) Check(ctx context.Context) error {
	_, err := q.abilities(ctx)
	return err
}

// Accelerator is what runs machines here: kvm, or tcg where the processor is emulated. It tries if Check has not.
func (q *QEMU) Accelerator(ctx context.Context) (string, error) {
	found, err := q.abilities(ctx)
	return found.accelerator, err
}

// Fingerprint implements [vmm.VMM].
func (q *QEMU) Fingerprint(ctx context.Context) (string, error) {
	found, err := q.abilities(ctx)
	if err != nil {
		return "", err
	}
	program, err := vmm.Stamp(q.path)
	return strings.Join(found.arguments(), " ") + " " + program, err
}

// Dial implements [vmm.VMM].
func (q *QEMU) Dial(ctx context.Context, m vmm.Machine) (net.Conn, error) {
	conn, err := vmm.Dial(ctx, m.Dir, guestSocket)
	if err != nil {
		return nil, err // and no nil connection in an interface
	}
	return conn, nil
}

// SetRates implements [vmm.VMM].
func (q *QEMU) SetRates(context.Context, vmm.Machine, vmm.Rates) error {
	return errors.New("QEMU bounds no rates")
}

// Complaint implements [vmm.VMM]: it is the last line that is no warning.
func (q *QEMU) Complaint(stderr []byte) string {
	const most = 500
	said := ""
	for line := range bytes.Lines(stderr) {
		text := strings.TrimSpace(strings.ToValidUTF8(string(line), "\uFFFD"))
		text = strings.TrimPrefix(text, filepath.Base(q.path)+": ")
		if text != "" && !strings.HasPrefix(text, "warning: ") && !strings.HasPrefix(text, "terminating on signal ") {
			said = text
		}
	}
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return said
}
