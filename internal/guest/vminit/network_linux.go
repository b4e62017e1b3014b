package vminit

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
)

// raiseLoopback lets programs of the VM reach each other.
func raiseLoopback() error {
	const loopback = 1 // the kernel makes it first
	if err := withRoutes(func(r *routes) error { return r.raise(loopback, 0, nil) }); err != nil {
		return fmt.Errorf("set up the loopback: %w", err)
	}
	return nil
}

// connect sets up the network of the VM.
func connect(n guest.Network) error {
	i, err := findInterface()
	if err != nil {
		return err
	}
	address := i.HardwareAddr
	if n.MAC != "" {
		// The VM goes on from a snapshot of one with another.
		if address, err = net.ParseMAC(n.MAC); err != nil {
			return err
		}
	}
	err = withRoutes(func(r *routes) error {
		if err := r.raise(i.Index, n.MTU, address); err != nil {
			return fmt.Errorf("raise it as %s: %w", address, err)
		}
		if err := r.addAddress(i.Index, n.Address); err != nil {
			return fmt.Errorf("give it the address %s: %w", n.Address, err)
		}
		if !n.Gateway.IsValid() {
			return nil
		}
		if err := r.addGateway(i.Index, n.Gateway); err != nil {
			return fmt.Errorf("add the gateway %s: %w", n.Gateway, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("set up the interface %s: %w", i.Name, err)
	}
	return nil
}

// findInterface returns the interface that a VMM has given the VM.
func findInterface() (net.Interface, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return net.Interface{}, fmt.Errorf("look for the interfaces: %w", err)
	}
	var found []net.Interface
	for _, i := range interfaces {
		if isDevice(i.Name) {
			found = append(found, i)
		}
	}
	if len(found) != 1 {
		return net.Interface{}, fmt.Errorf("the VM has %d interfaces, and needs one for its network", len(found))
	}
	return found[0], nil
}

// isDevice reports whether an interface is one that a VMM has given the VM.
func isDevice(name string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", name, "device"))
	return err == nil
}

// withRoutes connects to what the kernel has for networks.
func withRoutes(do func(*routes) error) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	err = do(&routes{fd: fd})
	return errors.Join(err, unix.Close(fd))
}
