package hostservice_test

import (
	"encoding/binary"
	"encoding/pem"
	"errors"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inNamespace is set in the process that runs in the network namespace.
const inNamespace = "HOSTSERVICE_TEST_NETNS"

// isolated runs the calling test, which has the name of t, in a process of its own with a network
// namespace of its own, in which there is nothing but this process and no way out. It reports whether
// this is that process: there the test goes on, elsewhere it has been run when isolated returns.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespace) != "" {
		bringUp(t)
		return true
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(flags uintptr) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
		cmd.Env = append(os.Environ(), inNamespace+"=1",
			"HTTP_PROXY=http://127.0.0.1:8080", "HTTPS_PROXY=http://127.0.0.1:8080", "ALL_PROXY=http://127.0.0.1:8080",
			"SSL_CERT_FILE="+testCertificate(t), "SSL_CERT_DIR=/nonexistent")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
		if flags&syscall.CLONE_NEWUSER != 0 {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		return cmd.CombinedOutput()
	}
	flags := uintptr(syscall.CLONE_NEWNET)
	if os.Getuid() != 0 {
		flags |= syscall.CLONE_NEWUSER
	}
	out, err := run(flags)
	if errors.Is(err, syscall.EPERM) && flags&syscall.CLONE_NEWUSER == 0 {
		out, err = run(flags | syscall.CLONE_NEWUSER) // a root that may do little, as in containers
	}
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		t.Errorf("in the network namespace: %v\n%s", err, out)
	case err != nil:
		t.Fatalf("a network namespace cannot be made on this machine, and these tests are not safe without: allow user namespaces or run as root: %v", err)
	case testing.Verbose():
		t.Logf("in the network namespace:\n%s", out)
	}
	return false
}

// testCertificate writes the certificate that httptest's servers have, for 127.0.0.1 and example.com,
// to a file.
func testCertificate(t *testing.T) string {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// bringUp makes sure that the namespace is empty, and starts its loopback interface.
func bringUp(t *testing.T) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Name != "lo" {
			t.Fatalf("this is no network namespace of its own: it has the interface %s", i.Name)
		}
	}
	s := controlSocket(t, unix.AF_INET)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOOPBACK)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, ifr); err != nil {
		t.Fatalf("start the loopback interface: %v", err)
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	for _, way := range []string{"192.0.2.1:80", "1.1.1.1:80", "[2001:db8::1]:80"} {
		if c, err := d.DialContext(t.Context(), "tcp", way); !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			if err == nil {
				_ = c.Close()
			}
			t.Fatalf("there is a way out of the network namespace: %v", err)
		}
	}
}

// addAddress gives the loopback interface one more address.
func addAddress(t *testing.T, label string, a netip.Addr) {
	t.Helper()
	if a.Is4() {
		s := controlSocket(t, unix.AF_INET)
		set := func(request uint, ip []byte) {
			t.Helper()
			ifr, err := unix.NewIfreq("lo:" + label)
			if err == nil {
				err = ifr.SetInet4Addr(ip)
			}
			if err == nil {
				err = unix.IoctlIfreq(s, request, ifr)
			}
			if err != nil {
				t.Fatalf("add address %s: %v", a, err)
			}
		}
		set(unix.SIOCSIFADDR, a.AsSlice())
		set(unix.SIOCSIFNETMASK, []byte{255, 255, 255, 255})
		return
	}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	var request [24]byte // struct in6_ifreq
	copy(request[:16], a.AsSlice())
	binary.NativeEndian.PutUint32(request[16:], 128)
	binary.NativeEndian.PutUint32(request[20:], uint32(lo.Index))
	s := controlSocket(t, unix.AF_INET6)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&request[0]))); errno != 0 {
		t.Fatalf("add address %s: %v", a, errno)
	}
}

func controlSocket(t *testing.T, family int) int {
	t.Helper()
	s, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(s) })
	return s
}
