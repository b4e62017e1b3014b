package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/preflight/checklist"
	"github.com/nex-engine/nex/internal/preflight/fetch"
	"github.com/nex-engine/nex/internal/sandbox/microvm/setup"
)

// microVMItem is the item that says whether virtual machines run.
const microVMItem = "microvm"

// Machine is what is tried for level microvm.
type Machine struct {
	Kernel, Rootfs string // files
	// Modules is the directory of the kernel's modules, and Init the program that loads them; empty for a kernel that has
	// all built in.
	Modules, Init  string
	MemoryBytes    int64
	setup.Programs       // those that are there and whole
	NoKVM          error // why KVM cannot be used
}

// microVM checks level microvm.
type microVM struct {
	c       config.Config
	places  places
	trials  Trials
	group   checklist.Group
	offers  []Offer
	machine Machine
}

// MicroVM checks level microvm: the files, the programs, KVM, and then all together. What is missing and is to be
// had is offered. It is a note where neither the configuration nor a file speaks of virtual machines.
func MicroVM(ctx context.Context, c config.Config, file, dataDir string, t Trials) (checklist.Group, []Offer) {
	m := &microVM{c: c, places: places{file, dataDir}, trials: t}
	m.machine.Kernel, m.machine.Rootfs = c.KernelPath(dataDir), c.RootfsPath(dataDir)
	m.group = checklist.NewGroup("Sandbox level microvm", m.dirs()...)
	whole := checklist.Item{Name: microVMItem, Path: "microvm", Description: "a virtual machine"}
	switch {
	case !m.wanted():
		m.group.Add(whole.Noted(fmt.Sprintf("not set up: put a kernel at %s and a root file system at %s, or say in preflight.downloads of %s where to get them",
			m.machine.Kernel, m.machine.Rootfs, file)))
		return m.group, nil
	case runtime.GOOS != "linux":
		m.group.Add(checklist.Item{
			Name: "linux", Path: "Linux", Description: "system that runs the virtual machines",
		}.Missing(fmt.Sprintf("this is %s: use a Linux machine", runtime.GOOS)))
		return m.group, nil
	}
	files, modules := m.files(ctx), m.modules()
	if !m.programs(ctx) || !files || !modules {
		return m.group, m.offers // nothing can be tried
	}
	var err error
	if m.machine.MemoryBytes, err = setup.MemoryBytes(c.MachineTemplate.MemSizeMiB); err == nil {
		err = t.MicroVM(ctx, m.machine)
	}
	if err != nil {
		err = fmt.Errorf("it does not run (%w): mend that, or take the kernel away for a node to choose another level", err)
	}
	m.group.Add(whole.Unless(err))
	return m.group, m.offers
}

// dirs are the places where something is looked for.
func (m *microVM) dirs() []string {
	var dirs []string
	for _, dir := range append([]string{filepath.Dir(m.machine.Kernel), filepath.Dir(m.machine.Rootfs)}, searched(m.c.BinPath)...) {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// wanted reports whether somebody has virtual machines in mind.
func (m *microVM) wanted() bool {
	d := m.c.Preflight.Downloads
	return m.c.DefaultResourceDir != "" || m.c.NamesMachines() ||
		d != config.Downloads{} || exists(m.machine.Kernel) || exists(m.machine.Rootfs)
}

// files checks kernel and root file system, and reports whether both are there.
func (m *microVM) files(ctx context.Context) bool {
	agent, err := binpath.Find(agentName, m.c.BinPath)
	if err != nil {
		agent = agentName
	}
	kernel := m.look(ctx, &need{
		item:     checklist.Item{Name: "kernel", Path: m.machine.Kernel, Description: "Linux kernel of the virtual machines"},
		what:     "kernel",
		how:      "put one there, such as /boot/vmlinuz of Debian's linux-image-cloud-amd64",
		download: m.c.Preflight.Downloads.Kernel, place: "kernel_filepath", mode: 0o644, most: 1 << 30,
		check: checkKernel,
	})
	how := fmt.Sprintf("make one with nex rootfs --agent=%s --output=%s", agent, m.machine.Rootfs)
	if exists(m.machine.Rootfs) { // which may be anything, and would be replaced
		how = fmt.Sprintf("make one with nex rootfs --agent=%s under a name of its own, and give that as rootfs_filepath", agent)
	}
	rootfs := m.look(ctx, &need{
		item:     checklist.Item{Name: "rootfs", Path: m.machine.Rootfs, Description: "root file system of the virtual machines"},
		what:     "root file system",
		how:      how,
		download: m.c.Preflight.Downloads.Rootfs, place: "rootfs_filepath", mode: 0o644, most: 64 << 30,
		check: checkRootfs,
	})
	return kernel && rootfs
}

// modules checks what a kernel takes that does not have all built in, and reports whether it is there.
func (m *microVM) modules() bool {
	if m.c.KernelModules == "" {
		return true
	}
	init := checklist.Item{Name: setup.Init, Path: setup.Init, Description: "init of the virtual machines, which loads modules of their kernel"}
	path, err := binpath.Find(setup.Init, m.c.BinPath)
	if err == nil {
		init.Path = path
		if err = checkProgram(path); err != nil {
			err = fmt.Errorf("%w: replace it with the %s that came with this nex", err, setup.Init)
		}
	}
	modules := checklist.Item{Name: "kernel_modules", Path: m.c.KernelModules, Description: "modules of the kernel of the virtual machines"}
	m.machine.Modules, m.machine.Init = m.c.KernelModules, path
	wrong := setup.CheckModules(m.machine.Kernel, m.c.KernelModules)
	m.group.Add(modules.Unless(wrong), init.Unless(err))
	return wrong == nil && err == nil
}

// programs checks that there is a program which can run machines, and reports whether there is: Firecracker, if
// KVM is usable, or QEMU, which does without.
func (m *microVM) programs(ctx context.Context) bool {
	kvm := m.trials.KVM(ctx)
	item := checklist.Item{Name: "kvm", Path: "/dev/kvm", Description: "virtualization by the processor", Optional: true}
	if kvm != nil {
		m.group.Add(item.Missing(fmt.Sprintf("%v; without it machines run under QEMU's emulation, which is slow", kvm)))
	} else {
		m.group.Add(item.Found())
	}
	d := m.c.Preflight.Downloads
	emulator := setup.FindProgram(setup.QEMU, m.c.BinPath)
	fc := setup.FindProgram(setup.Firecracker, m.c.BinPath)
	m.machine.NoKVM, m.machine.QEMU = kvm, emulator
	if d.Firecracker != nil || fc != "" || kvm == nil && emulator == "" {
		ok := m.look(ctx, m.program(setup.Firecracker, fc, "program that runs virtual machines with KVM", d.Firecracker, kvm != nil || emulator != ""))
		if ok {
			m.machine.Firecracker = fc
		}
		jail := m.jailer(ctx, ok)
		if ok && jail && kvm == nil {
			return true
		}
	}
	if emulator == "" && kvm == nil && d.Firecracker != nil {
		return false // Firecracker is what is missing
	}
	item = checklist.Item{Name: "qemu", Path: emulator, Description: "QEMU, which runs virtual machines with or without KVM"}
	if emulator == "" {
		item.Path = setup.QEMU
		m.group.Add(item.Missing("there is none: install QEMU (Debian: apt-get install qemu-system-x86), or name its folder in bin_path"))
		return false
	}
	m.group.Add(item.Found())
	return true
}

// jailer checks what confines Firecracker where the node is root, which can tell it to; it reports whether
// Firecracker can do with what there is.
func (m *microVM) jailer(ctx context.Context, used bool) bool {
	path := setup.FindProgram(setup.Jailer, m.c.BinPath)
	root := os.Geteuid() == 0
	if download := m.c.Preflight.Downloads.Jailer; download != nil || path != "" || used && root {
		ok := m.look(ctx, m.program(setup.Jailer, path, "program that confines Firecracker where the node is root", download, !root))
		if ok {
			m.machine.Jailer = path
		}
		return ok || !root
	}
	return !root
}

func (m *microVM) program(name, path, description string, download *config.Download, optional bool) *need {
	if path == "" {
		path = filepath.Join(m.binDir(), name)
	}
	return &need{
		item: checklist.Item{Name: name, Path: path, Description: description, Optional: optional},
		what: name + " program", how: "put one there of Firecracker's release", download: download, place: "bin_path", mode: 0o755, most: 1 << 30,
		check: checkProgram, runs: true,
	}
}

// binDir is the directory that programs are written to: the first that they are looked for in.
func (m *microVM) binDir() string {
	dir := searched(m.c.BinPath)[0]
	if dir == pathVariable {
		return "."
	}
	return dir
}

// need is a file that machines need.
type need struct {
	item     checklist.Item
	what     string // for sentences
	how      string // to come by one
	download *config.Download
	place    string // setting that says where it is
	mode     fs.FileMode
	most     int64 // bytes
	check    func(path string) error
	runs     bool // it is a program, which tells its version
}

// look checks one file, and offers to get it if it is missing or damaged. It reports whether it is there.
func (m *microVM) look(ctx context.Context, n *need) bool {
	err := n.check(n.item.Path)
	if errors.Is(err, fs.ErrPermission) {
		m.group.Add(n.item.Missing(fmt.Sprintf("this user may not read it (%v): give it the permission, or run the node as root", cause(err))))
		return false
	}
	if err == nil && n.runs {
		if info, err := os.Stat(n.item.Path); err == nil && info.Mode()&0o111 == 0 {
			m.group.Add(n.item.Missing("it may not be executed: chmod +x " + n.item.Path))
			return false
		}
		if _, err = versionOf(ctx, n.item.Path); err != nil {
			err = fmt.Errorf("it does not tell its version (%w)", err)
		}
	}
	switch {
	case err == nil:
		m.group.Add(n.item.Found())
		return true
	case !exists(n.item.Path):
		err = errors.New("there is none")
	default:
		n.item.Damaged = true
	}
	setting := "preflight.downloads." + n.item.Name
	if n.download == nil {
		m.group.Add(n.item.Missing(fmt.Sprintf("%v: %s, or say in %s of %s where to get it", err, n.how, setting, m.places.file)))
		return false
	}
	m.offer(n, setting)
	flag := "--get"
	if n.item.Damaged {
		flag = "--replace"
	}
	m.group.Add(n.item.Missing(fmt.Sprintf("%v: get it from %s with nex node preflight %s", err, n.item.Download, flag)))
	return false
}

// offer offers to get the file.
func (m *microVM) offer(n *need, setting string) {
	dirMode := fs.FileMode(0o755)
	if dir := filepath.Dir(n.item.Path); dir == filepath.Clean(m.places.dataDir) {
		dirMode = 0o700 // as the node makes it
	}
	o := Offer{
		Name: n.item.Name, What: n.what, Path: n.item.Path, Damaged: n.item.Damaged,
		source: fetch.Source{URL: n.download.URL, SHA256: n.download.SHA256, Member: n.download.Member, Setting: setting},
		target: fetch.Target{
			What: n.what, Path: n.item.Path, Mode: n.mode, DirMode: dirMode, MaxBytes: n.most, Replace: n.item.Damaged,
			Check: n.check, Setting: n.place,
		},
	}
	o.From = o.source.Shown()
	n.item.Download = o.From
	m.offers = append(m.offers, o)
}
