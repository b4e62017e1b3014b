package config

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"regexp"
	"strings"

	nex "github.com/nex-engine/nex"
)

// network checks the network of the sandboxes and the NATS servers in the node's process.
func (v *validator) network(c Config) {
	const longest = 15 // of an interface's name on Linux
	if n := c.CNI.InterfaceName; nex.CheckName(n) != nil || len(n) > longest {
		v.say("cni.interface_name", "expected at most %d letters, digits, _ and -, got %q", longest, clip(n))
	}
	if n := c.CNI.NetworkName; nex.CheckName(n) != nil {
		v.say("cni.network_name", "expected letters, digits, _ and -, got %q", clip(n))
	}
	if c.CNI.Subnet != "" {
		v.subnet("cni.subnet", c.CNI.Subnet)
	}
	v.egress("egress", c.Egress)
	for i, s := range c.CNI.Nameservers {
		if _, err := netip.ParseAddr(s); err != nil {
			v.say(index("cni.nameservers", i), "expected an IP address, got %q", clip(s))
		}
	}
	if ip := net.ParseIP(c.InternalNodeHost); ip == nil || !ip.IsLoopback() {
		v.say("internal_node_host", "expected a loopback address such as 127.0.0.1, because the internal NATS server must not be reachable from other machines, got %q",
			clip(c.InternalNodeHost))
	}
	// Parse has seen to it that it is an object; other callers may have put anything there.
	if raw := bytes.TrimSpace(c.PublicNATSServer); c.PublicNATSServer != nil && (!json.Valid(raw) || raw[0] != '{') {
		v.say("public_nats_server", "expected %s", kindObject)
	}
}

// egress checks each rule.
func (v *validator) egress(path string, e nex.Egress) {
	if e.Allow != nil && len(e.Allow) == 0 { // which would allow everything
		v.say(path+".allow", "expected rules, got none: leave it away, or deny \"*\"")
	}
	for _, list := range []struct {
		path  string
		rules []string
	}{{path + ".allow", e.Allow}, {path + ".deny", e.Deny}} {
		if len(list.rules) > nex.MaxEgressRules {
			v.say(list.path, "expected at most %d rules, got %d", nex.MaxEgressRules, len(list.rules))
		}
		for i, rule := range list.rules {
			_, err := nex.ParseEgressRule(rule)
			v.sayError(index(list.path, i), err)
		}
	}
}

// subnet checks an IPv4 network that has room for sandboxes.
func (v *validator) subnet(path, s string) {
	const largest, smallest = 16, 29
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || !p.Addr().Is4() || p.Bits() < largest || p.Bits() > smallest:
		v.say(path, "expected an IPv4 network from /%d to /%d such as 192.168.127.0/24, got %q", largest, smallest, clip(s))
	case p != p.Masked():
		v.say(path, "%s is an address in a network: write the network, %s", s, p.Masked())
	}
}

// hostServices checks the host services and their connection.
func (v *validator) hostServices(h HostServices) {
	connection, _ := h.Connection()
	for _, p := range connection.Problems() {
		v.say(p.Setting, "it %s", p.Text)
	}
	v.bucketName("host_services.services.kv.config.bucket_name", h.Services.KV.Config.BucketName)
	v.bucketName("host_services.services.objectstore.config.bucket_name", h.Services.ObjectStore.Config.BucketName)
	for i, s := range h.Services.HTTP.Config.Allow {
		if !isHost(s) {
			v.say(index("host_services.services.http.config.allow", i),
				"expected a host such as api.example.com, *.example.com, 10.1.2.3 or 10.1.0.0/16, got %q", clip(s))
		}
	}
}

// bucketName checks that what a name expands to is a name of a bucket.
func (v *validator) bucketName(path, name string) {
	const any = "x" // namespaces and names are themselves made of what a bucket's name may have
	expanded := strings.NewReplacer("${namespace}", any, "${workload_name}", any).Replace(name)
	if name != "" && nex.CheckName(expanded) != nil {
		v.say(path, "expected letters, digits, _ and -, besides ${namespace} and ${workload_name}, got %q", clip(name))
	}
}

var hostName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)

// isHost reports whether s is an address, a network, or a name that may begin with "*.".
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	const longest = 255
	return len(s) <= longest && hostName.MatchString(s)
}
