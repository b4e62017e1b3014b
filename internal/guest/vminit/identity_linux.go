package vminit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
)

// defaultHostname is the name of a VM that is given none.
const defaultHostname = "nex"

// identify makes a VM the one that it is to be.
func identify(b guest.Boot) error {
	if !b.Time.IsZero() {
		t := unix.NsecToTimespec(b.Time.UnixNano())
		if err := unix.ClockSettime(unix.CLOCK_REALTIME, &t); err != nil {
			return fmt.Errorf("set the clock: %w", err)
		}
	}
	if err := stir(b.Entropy); err != nil {
		return fmt.Errorf("add entropy: %w", err)
	}
	name := b.Hostname
	if name == "" {
		name = defaultHostname
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	hosts := "127.0.0.1 localhost\n::1 localhost\n"
	if b.Network != nil {
		if err := connect(*b.Network); err != nil {
			return err
		}
		hosts += b.Network.Address.Addr().String() + " " + name + "\n"
		if err := replace("/etc/resolv.conf", resolvConf(*b.Network)); err != nil {
			return err
		}
	} else {
		hosts += "127.0.0.1 " + name + "\n"
	}
	if err := replace("/etc/hostname", name+"\n"); err != nil {
		return err
	}
	return replace("/etc/hosts", hosts)
}

func resolvConf(n guest.Network) string {
	var b strings.Builder
	for _, a := range n.Nameservers {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	return b.String()
}

// replace makes a file, and follows no link that is in its place.
func replace(file, content string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll("/etc", 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(content), 0o644)
}

// stir adds entropy to the kernel's, and makes it derive new keys from it at once: a VM that was saved and started
// twice has the same before.
func stir(entropy []byte) error {
	f, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// How many bits it is worth, the number of bytes, and these.
	info := binary.NativeEndian.AppendUint32(nil, uint32(len(entropy)*8))
	info = binary.NativeEndian.AppendUint32(info, uint32(len(entropy)))
	info = append(info, entropy...)
	if err := ioctl(f.Fd(), unix.RNDADDENTROPY, unsafe.Pointer(&info[0])); err != nil {
		return err
	}
	return ioctl(f.Fd(), unix.RNDRESEEDCRNG, nil)
}

func ioctl(fd, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}
