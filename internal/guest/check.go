package guest

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
)

const (
	maxID          = 32
	maxHostname    = 63
	maxNameservers = 8
	maxMTU         = 65535
	maxSignal      = 16
)

func (b Boot) check() error {
	switch {
	case !consists(b.ID, maxID, ""):
		return fmt.Errorf("the id of a sandbox is 1 to %d letters and digits", maxID)
	case len(b.Bootstrap) == 0 || len(b.Bootstrap) > MaxBootstrap:
		return fmt.Errorf("the bootstrap document has %d bytes, and may have from 1 to %d", len(b.Bootstrap), MaxBootstrap)
	case len(b.Entropy) < MinEntropy || len(b.Entropy) > MaxEntropy:
		return fmt.Errorf("the entropy has %d bytes, and may have from %d to %d", len(b.Entropy), MinEntropy, MaxEntropy)
	case b.Hostname != "" && !consists(b.Hostname, maxHostname, "-."):
		return fmt.Errorf("a host name is up to %d letters, digits, dots and hyphens", maxHostname)
	}
	if b.Network != nil {
		if err := b.Network.check(); err != nil {
			return err
		}
	}
	return b.Limits.check()
}

func (n Network) check() error {
	switch {
	case !n.Address.IsValid() || n.Address.Addr().Zone() != "":
		return errors.New("the network has no address")
	case n.Gateway.IsValid() && (n.Gateway.Is4() != n.Address.Addr().Is4() || n.Gateway.Zone() != ""):
		return errors.New("the gateway of the network has an address of another kind than the VM")
	case len(n.Nameservers) > maxNameservers:
		return fmt.Errorf("the network has %d name servers, and may have %d", len(n.Nameservers), maxNameservers)
	case n.MTU < 0 || n.MTU > maxMTU:
		return fmt.Errorf("the MTU %d is not from 0 to %d", n.MTU, maxMTU)
	}
	for _, a := range n.Nameservers {
		if !a.IsValid() {
			return errors.New("a name server of the network has no address")
		}
	}
	if n.MAC != "" {
		const bytes = 6 // of Ethernet
		if mac, err := net.ParseMAC(n.MAC); err != nil || len(mac) != bytes {
			return fmt.Errorf("the hardware address of the network, %q, is none of %d bytes", n.MAC, bytes)
		}
	}
	return nil
}

func (l Limits) check() error {
	if l.MemoryBytes < 0 || l.CPUs < 0 || math.IsNaN(l.CPUs) || math.IsInf(l.CPUs, 0) || l.PIDs < 0 || l.OpenFiles < 0 {
		return errors.New("a limit is less than nothing, or no number")
	}
	return nil
}

func (f file) check() error {
	if err := checkName(f.Name); err != nil {
		return err
	}
	if f.Size < 0 {
		return fmt.Errorf("a file of %d bytes cannot be", f.Size)
	}
	return nil
}

func checkName(name string) error {
	if !consists(name, MaxName, "-_.") || name[0] == '.' {
		return fmt.Errorf("%q cannot be the name of a file: it takes 1 to %d letters, digits, and -_. but as the first", name, MaxName)
	}
	return nil
}

// Check reports whether a process can have ended like that: what comes from a VM need not be so.
func (e Exit) Check() error {
	if e.Code < -1 || e.Code > 255 || e.Signal != "" && !consists(e.Signal, maxSignal, "+") {
		return errors.New("it is no way to end")
	}
	return nil
}

func (s State) check() error {
	if s.ID != "" && !consists(s.ID, maxID, "") {
		return fmt.Errorf("the id of a sandbox is 1 to %d letters and digits", maxID)
	}
	if len(s.Staged) > MaxStaged {
		return fmt.Errorf("%d files are staged, and may be %d", len(s.Staged), MaxStaged)
	}
	for _, name := range s.Staged {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return nil
}

// consists reports whether s is of letters, digits and what else it may have, from 1 to most.
func consists(s string, most int, others string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !slices.Contains([]byte(others), c) {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// printable reports whether s is of printable ASCII and not too long.
func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(s) <= 256
}
