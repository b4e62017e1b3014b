//go:build linux

package network

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network/policy"
)

// Defaults of a [Config].
const (
	DefaultInterfaceName = "veth0"
	DefaultCNIDir        = "/etc/cni/conf.d"
)

// namespaceDir is where namespaces have names, those of other programs too. It is made if it is missing.
const namespaceDir = "/run/netns"

// Config says what network there is to be.
type Config struct {
	// Name tells the nodes of a machine apart: 1 to 6 lower case letters and digits, the same after each
	// start of a node, and no other's. Required.
	Name string
	// Subnet is the IPv4 network of the sandboxes, from /16 to /29. The zero value takes the first of
	// 192.168.127.0/24 to 192.168.159.0/24, then of 172.30.127.0/24 and 10.127.127.0/24 and so on, that
	// no interface, route or other node has.
	Subnet netip.Prefix
	// InterfaceName is the interface's name inside; empty takes [DefaultInterfaceName].
	InterfaceName string
	// Nameservers are asked for the names that sandboxes ask for; none takes those of /etc/resolv.conf,
	// as it is at that time.
	Nameservers []netip.Addr
	// Egress bounds what all sandboxes may connect to.
	Egress nex.Egress
	// CNI is the network that is used instead, if it exists.
	CNI CNI
	// Logger is told what is changed on the machine, and about what cannot be put right. Nil discards.
	Logger *slog.Logger
}

// CNI names a network that CNI plugins make.
type CNI struct {
	// NetworkName is its name; empty, or one that no file in Dir has, takes the built-in network.
	NetworkName string
	// Dir has the network configurations; empty takes [DefaultCNIDir].
	Dir string
	// BinPath are the directories of the plugins.
	BinPath []string
	// CacheDir is where is kept what must be known to undo an attachment; empty takes that of libcni.
	CacheDir string
}

var (
	validName      = regexp.MustCompile(`^[a-z0-9]{1,6}$`)
	validInterface = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,15}$`)
	validID        = regexp.MustCompile(`^[a-zA-Z0-9]{1,32}$`)
)

// withDefaults checks c and fills in what it leaves out.
func (c Config) withDefaults() (Config, error) {
	if c.InterfaceName == "" {
		c.InterfaceName = DefaultInterfaceName
	}
	if c.CNI.Dir == "" {
		c.CNI.Dir = DefaultCNIDir
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if !validName.MatchString(c.Name) {
		return c, fmt.Errorf("network name %q is not 1 to 6 lower case letters and digits", c.Name)
	}
	if !validInterface.MatchString(c.InterfaceName) || c.InterfaceName == "lo" || c.InterfaceName == "." || c.InterfaceName == ".." {
		return c, fmt.Errorf("%q is no interface name: set cni.interface_name to one such as veth0", c.InterfaceName)
	}
	if c.Subnet.IsValid() {
		if !c.Subnet.Addr().Is4() || c.Subnet.Bits() < 16 || c.Subnet.Bits() > 29 {
			return c, fmt.Errorf("subnet %s is no IPv4 network from /16 to /29: set cni.subnet to one such as 192.168.127.0/24", c.Subnet)
		}
		c.Subnet = c.Subnet.Masked()
	}
	if _, err := policy.New(c.Egress, nex.Egress{}); err != nil {
		return c, fmt.Errorf("the node's %w", err)
	}
	return c, nil
}

// errClosed is for what is asked of a manager that is closed.
var errClosed = errors.New("the network is closed")

// errNotIPv4 is for addresses in the wrong form.
var errNotIPv4 = errors.New("it is no IPv4 address")
