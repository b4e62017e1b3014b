package preflight_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/hostinfo"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
	"github.com/nex-engine/nex/internal/preflight/fetch"
)

// kernel is as much of one as is looked at.
func kernel() string {
	b := make([]byte, 4096)
	copy(b[0x202:], "HdrS")
	if runtime.GOARCH == "arm64" {
		copy(b[0x38:], "ARM\x64")
	}
	return string(b)
}

// program is as much of one for amd64 as is looked at, with code at the address.
func program(at uint64) string {
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	le := binary.LittleEndian
	b = le.AppendUint16(b, 2)  // linked to an address
	b = le.AppendUint16(b, 62) // x86-64
	b = append(b, make([]byte, 12)...)
	b = le.AppendUint64(b, 64) // where the segments are
	b = append(b, make([]byte, 14)...)
	b = le.AppendUint16(b, 56) // their size
	b = le.AppendUint16(b, 1)  // their number
	b = append(b, make([]byte, 6)...)
	b = le.AppendUint32(b, 1) // to be loaded
	b = append(b, make([]byte, 12)...)
	return string(le.AppendUint64(b, at)) + strings.Repeat("\x00", 100)
}

// rootfs is as much of a file system of some blocks of 1 KiB as is looked at.
func rootfs(blocks uint32) string {
	b := make([]byte, 4096)
	binary.LittleEndian.PutUint32(b[1024+0x04:], blocks)
	binary.LittleEndian.PutUint16(b[1024+0x38:], 0xef53)
	binary.LittleEndian.PutUint32(b[1024+0x60:], 0x40) // extents
	return string(b)
}

// download puts the content where it can be got.
func download(t *testing.T, content string) *config.Download {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	return &config.Download{URL: write(t, filepath.Join(t.TempDir(), "source"), content), SHA256: hex.EncodeToString(sum[:])}
}

// machines are settings of virtual machines on a machine that has what they need, in a folder.
func machines(t *testing.T) (config.Config, string) {
	t.Helper()
	c := config.Default()
	c.DefaultResourceDir = t.TempDir()
	bin := t.TempDir()
	c.BinPath = []string{bin}
	for _, name := range []string{"firecracker", "jailer", "qemu-system-x86_64"} {
		copyProgram(t, writeScript(t, name, "echo "+name+" v1.13.0"), bin, name)
	}
	write(t, c.KernelPath(""), kernel())
	write(t, c.RootfsPath(""), rootfs(4))
	return c, bin
}

// copyProgram moves a program to a folder.
func copyProgram(t *testing.T, from, to, name string) {
	t.Helper()
	if err := os.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func microVM(t *testing.T, c config.Config, trials preflight.Trials) (checklist.Group, []preflight.Offer) {
	t.Helper()
	return preflight.MicroVM(t.Context(), c, "my.json", t.TempDir(), trials)
}

// Nobody who does not think of virtual machines is bothered with them.
func TestMicroVMNotSetUp(t *testing.T) {
	t.Parallel()
	g, offers := microVM(t, config.Default(), preflight.Trials{})
	got := finding{"microvm", "not set up: put a kernel at ", true}.check(t, g)
	if !got.Note || len(g.Items) != 1 || len(offers) > 0 || !strings.Contains(got.Do, "preflight.downloads of my.json") {
		t.Errorf("group = %+v, offers = %+v; want a note", g, offers)
	}
}

func TestMicroVM(t *testing.T) {
	c, bin := machines(t)
	t.Setenv("PATH", t.TempDir())
	want := preflight.Machine{Kernel: c.KernelPath(""), Rootfs: c.RootfsPath(""), MemoryBytes: 512 << 20}
	var got preflight.Machine
	trials := works()
	trials.MicroVM = func(_ context.Context, m preflight.Machine) error {
		got = m
		return nil
	}

	// With KVM it can be Firecracker, in its jailer.
	want.Firecracker, want.Jailer, want.QEMU = filepath.Join(bin, "firecracker"), filepath.Join(bin, "jailer"), filepath.Join(bin, "qemu-system-x86_64")
	g, offers := microVM(t, c, trials)
	if checklist.Blocking([]checklist.Group{g}) != 0 || len(offers) > 0 || got != want || !g.Satisfied("microvm") {
		t.Errorf("group = %+v, offers = %+v, tried with %+v, want %+v", g, offers, got, want)
	}

	// Without it is QEMU.
	want.NoKVM = fails().KVM(t.Context())
	trials.KVM = func(context.Context) error { return want.NoKVM }
	g, _ = microVM(t, c, trials)
	finding{"kvm", "there is no /dev/kvm: switch virtualization on; without it machines run under QEMU's emulation, which is slow", true}.check(t, g)
	if got != want {
		t.Errorf("tried with %+v, want %+v", got, want)
	}

	// Also where there is no Firecracker, which then nobody misses.
	trials.KVM = works().KVM
	want.Firecracker, want.Jailer, want.NoKVM = "", "", nil
	remove(t, filepath.Join(bin, "firecracker"))
	remove(t, filepath.Join(bin, "jailer"))
	if g, _ = microVM(t, c, trials); got != want || len(g.Items) != 5 {
		t.Errorf("tried with %+v, want %+v; group %+v", got, want, g)
	}

	trials.MicroVM = fails().MicroVM
	g, _ = microVM(t, c, trials)
	finding{"microvm", "it does not run (the kernel is too old: get another): mend that, or take the kernel away for a node to choose another level", false}.check(t, g)

	// What comes with the system is on the PATH, whatever bin_path says.
	t.Setenv("PATH", bin)
	c.BinPath = []string{t.TempDir()}
	g, _ = microVM(t, c, trials)
	finding{name: "qemu"}.check(t, g)
}

// A kernel whose drivers are modules takes those of its release, and the init that loads them.
func TestMicroVMModules(t *testing.T) {
	c, bin := machines(t)
	t.Setenv("PATH", t.TempDir())
	var tried preflight.Machine
	trials := works()
	trials.MicroVM = func(_ context.Context, m preflight.Machine) error {
		tried = m
		return nil
	}

	c.KernelModules = filepath.Join(bin, "none")
	g, _ := microVM(t, c, trials)
	finding{"kernel_modules", "there is no directory " + c.KernelModules + ": name the one with the modules of the kernel " + c.KernelPath(""), false}.check(t, g)
	finding{"nex-init", "nex-init was not found in " + bin, false}.check(t, g)
	c.KernelModules = c.KernelPath("")
	g, _ = microVM(t, c, trials)
	finding{"kernel_modules", "is no directory", false}.check(t, g)
	c.KernelModules = t.TempDir()
	g, _ = microVM(t, c, trials)
	finding{"kernel_modules", c.KernelModules + " has no module virtio_mmio: name the directory", false}.check(t, g)

	// A module may be built in, as all of these are.
	write(t, filepath.Join(c.KernelModules, "modules.builtin"), strings.Join([]string{
		"virtio_mmio.ko", "virtio_blk.ko", "virtio_console.ko", "ext4.ko", "overlay.ko", "virtio_net.ko", "virtio-rng.ko", "vmw_vsock_virtio_transport.ko",
	}, "\n"))
	copyProgram(t, writeProgram(t, "nex-init", "text"), bin, "nex-init")
	g, _ = microVM(t, c, trials)
	finding{name: "kernel_modules"}.check(t, g)
	finding{"nex-init", "it is no program: replace it with the nex-init that came with this nex", false}.check(t, g)
	if tried != (preflight.Machine{}) {
		t.Error("it was tried without all that it takes")
	}
	remove(t, filepath.Join(bin, "nex-init"))
	copyProgram(t, writeProgram(t, "nex-init", "\x7fELF"), bin, "nex-init")
	g, _ = microVM(t, c, trials)
	finding{name: "nex-init"}.check(t, g)
	if tried.Modules != c.KernelModules || tried.Init != filepath.Join(bin, "nex-init") || !g.Satisfied("microvm") {
		t.Errorf("group = %+v, tried %+v; want it complete", g, tried)
	}
}

// A machine that has more memory than there is would be tried in vain.
func TestMicroVMMemory(t *testing.T) {
	c, _ := machines(t)
	c.MachineTemplate.MemSizeMiB = int(hostinfo.Memory().Total>>10) + 1
	g, _ := microVM(t, c, works())
	finding{"microvm", "set memsize_mib of machine_template lower", false}.check(t, g)
}

// What is missing is said, with how to come by it, and nothing is tried.
func TestMicroVMMissing(t *testing.T) {
	c, bin := machines(t)
	t.Setenv("PATH", t.TempDir())
	remove(t, c.KernelPath(""))
	remove(t, c.RootfsPath(""))
	for _, name := range []string{"firecracker", "jailer", "qemu-system-x86_64"} {
		remove(t, filepath.Join(bin, name))
	}
	trials := works()
	trials.MicroVM = nil
	g, offers := microVM(t, c, trials)
	finding{"kernel", "there is none: put one there, such as /boot/vmlinuz of Debian's linux-image-cloud-amd64, or say in preflight.downloads.kernel of my.json where to get it", false}.check(t, g)
	finding{"rootfs", "there is none: make one with nex rootfs --agent=nex-agent --output=" + c.RootfsPath("") + ", or say in preflight.downloads.rootfs of my.json", false}.check(t, g)
	finding{"firecracker", "put one there of Firecracker's release, or say in preflight.downloads.firecracker of my.json", false}.check(t, g)
	finding{"qemu", "install QEMU (Debian: apt-get install qemu-system-x86)", false}.check(t, g)
	if len(offers) > 0 {
		t.Errorf("offers = %+v, want none without downloads", offers)
	}
	trials.KVM = fails().KVM // Firecracker would be of no use
	if g, _ = microVM(t, c, trials); g.Satisfied("firecracker") || len(g.Items) != 4 {
		t.Errorf("items = %+v, want kernel, rootfs, kvm and qemu", g.Items)
	}
}

// All that the configuration names can be got, and is then there.
func TestMicroVMOffers(t *testing.T) {
	c, bin := machines(t)
	t.Setenv("PATH", t.TempDir())
	script := "#!/bin/sh\necho v1.13.0\n"
	c.Preflight.Downloads = config.Downloads{
		Kernel: download(t, kernel()), Rootfs: download(t, rootfs(4)), Firecracker: download(t, script), Jailer: download(t, script),
	}
	for _, path := range []string{c.KernelPath(""), c.RootfsPath(""), filepath.Join(bin, "firecracker"), filepath.Join(bin, "jailer")} {
		remove(t, path)
	}
	g, offers := microVM(t, c, works())
	for _, name := range []string{"kernel", "rootfs", "firecracker", "jailer"} {
		got := find(t, g, name)
		if got.OK || got.Damaged || got.Download == "" || !strings.Contains(got.Do, "there is none: get it from "+got.Download+" with nex node preflight --get") {
			t.Errorf("item = %+v, want it missing, and to be got", got)
		}
	}
	if len(offers) != 4 {
		t.Fatalf("offers = %+v, want 4", offers)
	}
	for _, o := range offers {
		if err := o.Get(t.Context(), fetch.Config{}); err != nil {
			t.Fatal(err)
		}
	}
	g, offers = microVM(t, c, works())
	if checklist.Blocking([]checklist.Group{g}) != 0 || len(offers) > 0 || !g.Satisfied("microvm") {
		t.Errorf("group = %+v, offers = %+v; want all there", g, offers)
	}
}

// What is there and cannot be right is damaged.
func TestMicroVMDamaged(t *testing.T) {
	tests := []struct{ name, item, content, want string }{
		{"no kernel", "kernel", "text", "it is no Linux kernel for "},
		{"a program for another machine", "kernel", "\x7fELF\x01" + strings.Repeat("\x00", 100), "it is no Linux kernel for "},
		{"a program for this machine", "kernel", program(0x400000), "no Linux kernel"},
		{"a short ELF", "kernel", "\x7fELF", "it is no Linux kernel for "},
		{"empty", "kernel", "", "it is no Linux kernel for "},
		{"no file system", "rootfs", strings.Repeat("x", 8192), "it is no ext4 file system"},
		{"a short file system", "rootfs", "", "it is no ext4 file system"},
		{"a cut file system", "rootfs", rootfs(5), "it has 4096 bytes, which is less than its file system of 5 blocks takes: it was cut"},
		{"a file system without blocks", "rootfs", rootfs(0), "it was cut"},
		{"no program", "firecracker", "text", "it is no program"},
		{"a program that fails", "firecracker", "#!/bin/sh\nexit 3\n", "it does not tell its version (exit status 3)"},
	}
	t.Setenv("PATH", t.TempDir())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, bin := machines(t)
			path, right := c.KernelPath(""), kernel()
			switch tt.item {
			case "rootfs":
				path, right = c.RootfsPath(""), rootfs(4)
			case "firecracker":
				path, right = filepath.Join(bin, "firecracker"), "#!/bin/sh\n echo v1.13.0\n"
			}
			remove(t, path)
			copyProgram(t, writeProgram(t, "damaged", tt.content), filepath.Dir(path), "damaged")
			if err := os.Rename(filepath.Join(filepath.Dir(path), "damaged"), path); err != nil {
				t.Fatal(err)
			}
			g, offers := microVM(t, c, works())
			finding{tt.item, tt.want, tt.item == "firecracker"}.check(t, g)
			if got := find(t, g, tt.item); !got.Damaged || len(offers) > 0 {
				t.Errorf("item = %+v, offers = %+v; want it damaged", got, offers)
			}
			d := download(t, right)
			c.Preflight.Downloads = config.Downloads{Kernel: d, Rootfs: d, Firecracker: d}
			g, offers = microVM(t, c, works())
			if got := find(t, g, tt.item); !strings.HasSuffix(got.Do, "with nex node preflight --replace") || len(offers) != 1 || !offers[0].Damaged || offers[0].Name != tt.item {
				t.Fatalf("item = %+v, offers = %+v; want an offer to replace it", got, offers)
			}
			if err := offers[0].Get(t.Context(), fetch.Config{}); err != nil {
				t.Fatal(err)
			}
			g, offers = microVM(t, c, works())
			if !g.Satisfied(tt.item) || len(offers) > 0 {
				t.Errorf("group = %+v, offers = %+v; want it mended", g, offers)
			}
		})
	}
}

// A kernel that was not packed is a program of the kernel's addresses.
func TestMicroVMPlainKernel(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		return // where there is no such form
	}
	c, _ := machines(t)
	write(t, c.KernelPath(""), program(0xffffffff81000000))
	g, _ := microVM(t, c, works())
	finding{name: "kernel"}.check(t, g)
}

// What needs a permission is not damaged.
func TestMicroVMProgramNotExecutable(t *testing.T) {
	c, bin := machines(t)
	t.Setenv("PATH", t.TempDir())
	c.Preflight.Downloads.Firecracker = download(t, "#!/bin/sh\n")
	path := filepath.Join(bin, "firecracker")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	g, offers := microVM(t, c, works())
	finding{"firecracker", "it may not be executed: chmod +x " + path, true}.check(t, g)
	if len(offers) > 0 {
		t.Errorf("offers = %+v, want none", offers)
	}
}

// What was got and is not what it should be is not put there.
func TestMicroVMOfferOfSomethingElse(t *testing.T) {
	c, _ := machines(t)
	remove(t, c.KernelPath(""))
	c.Preflight.Downloads.Kernel = download(t, "text")
	_, offers := microVM(t, c, works())
	if len(offers) != 1 {
		t.Fatalf("offers = %+v, want one", offers)
	}
	err := offers[0].Get(t.Context(), fetch.Config{})
	if err == nil || !strings.Contains(err.Error(), "what was got as the kernel is not used: it is no Linux kernel for ") {
		t.Errorf("error = %v, want that it is no kernel", err)
	}
	if _, err := os.Lstat(c.KernelPath("")); err == nil {
		t.Error("it was put there")
	}
}

// Of two levels that isolate one is enough, unless a node would choose the other.
func TestOneLevelIsEnough(t *testing.T) {
	c, bin := machines(t)
	copyProgram(t, programs(t), bin, "runsc")
	copyProgram(t, programs(t), bin, "nex-agent")
	file := write(t, filepath.Join(t.TempDir(), "config.json"), `{"public_nats_server": {"port": 4222},
		"default_resource_dir": "`+c.DefaultResourceDir+`", "bin_path": ["`+bin+`"]}`)
	both, neither := works(), works()
	neither.GVisor, neither.MicroVM = fails().GVisor, fails().MicroVM
	gvisor, machine := both, both
	gvisor.MicroVM, machine.GVisor = fails().MicroVM, fails().GVisor
	for _, tt := range []struct {
		name     string
		trials   preflight.Trials
		blocking int
	}{{"both", both, 0}, {"gvisor", gvisor, 1}, {"microvm", machine, 0}, {"neither", neither, 2}, {"gvisor, and no kernel", gvisor, 0}} {
		if strings.HasSuffix(tt.name, "no kernel") {
			remove(t, c.KernelPath(""))
		}
		groups, _ := preflight.Run(t.Context(), preflight.Config{File: file, DataDir: private(t), NATS: refusing, Trials: tt.trials})
		if got := checklist.Blocking(groups); got != tt.blocking {
			t.Errorf("%s: %d items block, want %d: %+v", tt.name, got, tt.blocking, groups)
		}
	}
}
