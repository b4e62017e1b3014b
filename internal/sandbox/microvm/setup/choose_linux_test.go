package setup_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox/microvm/setup"
)

// What runs machines is taken again without a look at whether it works.
func TestAgain(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		return // QEMU runs machines there alone
	}
	dir := t.TempDir()
	all := setup.Programs{
		Firecracker: program(t, dir, "firecracker", "v0.0.1"), Jailer: program(t, dir, "jailer", "v0.0.2"),
		QEMU: program(t, dir, "qemu-system-x86_64", "none"),
	}
	for _, tt := range []struct {
		name     string
		programs setup.Programs
		want     string // the name of what is taken, or a part of the error
	}{
		{"firecracker", all, "firecracker"},
		{"qemu", all, "qemu"},
		{"firecracker", setup.Programs{QEMU: all.QEMU}, "there is no program firecracker here"},
		{"qemu", setup.Programs{Firecracker: all.Firecracker}, "there is no program qemu that runs"},
		{"other", all, "there is no program other that runs"},
	} {
		v, err := setup.Again(tt.name, tt.programs, slog.New(slog.DiscardHandler))
		switch {
		case err == nil && v.Name() != tt.want:
			t.Errorf("%s: %s is taken, want %s", tt.name, v.Name(), tt.want)
		case err != nil && !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s: error = %v, want %q", tt.name, err, tt.want)
		}
	}
}

// program makes one that says its version.
func program(t *testing.T, dir, name, version string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	syscall.ForkLock.RLock() // a child would hold the file open, and it could not be executed
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+name+" "+version+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChoose(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		return // QEMU runs machines there alone
	}
	dir, old := t.TempDir(), t.TempDir()
	all := setup.Programs{
		Firecracker: program(t, dir, "firecracker", "v1.13.0"), Jailer: program(t, dir, "jailer", "v1.13.0"),
		QEMU: program(t, dir, "qemu-system-x86_64", ""),
	}
	stale := all
	stale.Firecracker = program(t, old, "firecracker", "v1.2.0")
	without := func(p setup.Programs, change func(*setup.Programs)) setup.Programs {
		change(&p)
		return p
	}
	noQEMU := func(p *setup.Programs) { p.QEMU = "" }
	noKVM := errors.New("there is no /dev/kvm: switch virtualization on")
	for name, tt := range map[string]struct {
		programs setup.Programs
		noKVM    error
		want     string // the name of what is chosen, or a part of the error
		log      string // a part of it; empty: nothing
	}{
		"KVM and all":                 {all, nil, "firecracker", ""},
		"KVM and Firecracker":         {without(all, noQEMU), nil, "firecracker", ""},
		"KVM and QEMU":                {setup.Programs{QEMU: all.QEMU}, nil, "qemu", ""},
		"KVM and an old Firecracker":  {stale, nil, "qemu", "it is version 1.2.0, which is too old"},
		"KVM and just that":           {without(stale, noQEMU), nil, "it is version 1.2.0, which is too old: install 1.12.0 or later: install QEMU", ""},
		"no KVM":                      {all, noKVM, "qemu", "there is no /dev/kvm"},
		"no KVM and just Firecracker": {without(all, noQEMU), noKVM, "there is no program that runs virtual machines here: install QEMU", ""},
		"nothing":                     {setup.Programs{}, nil, "there is no program that runs virtual machines here: install QEMU", ""},
		"KVM and no Firecracker then": {without(all, func(p *setup.Programs) { p.Firecracker += "-gone" }), nil, "qemu", "firecracker-gone cannot be run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			v, err := setup.Choose(t.Context(), tt.programs, tt.noKVM, slog.New(slog.NewTextHandler(&log, nil)))
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = v.Name()
			}
			if !strings.Contains(got, tt.want) || (err != nil) != (len(tt.want) > len("firecracker")) {
				t.Errorf("chosen: %s, want %s", got, tt.want)
			}
			if said := log.String(); !strings.Contains(said, tt.log) || tt.log == "" && said != "" || strings.Count(said, "\n") > 1 {
				t.Errorf("log = %s, want %q", said, tt.log)
			}
		})
	}
}
