package natsconn

import (
	"net"
	"strings"

	"github.com/nex-engine/nex/internal/upstate"
)

// Discover returns the settings for the control API of this machine's running "nex up", whose data
// directory is given, and its state. Who says where to connect to means it, so if the settings are
// explicit it returns them as they are, and nil; unless all they name is that very server, which
// needs its control key all the same. It does so as well if no "nex up" runs there.
//
// So the order is: flags and environment, the running nex up, the selected context, the default.
func (s Settings) Discover(dataDir string) (Settings, *upstate.State) {
	if s.Context != "" || s.credentials() {
		return s, nil
	}
	state, ok := upstate.Live(dataDir)
	if !ok {
		return s, nil
	}
	if s.Server != "" && !sameServer(s.Server, state.NATSURL) && !sameServer(s.Server, state.ControlURL) {
		return s, nil
	}
	if !strings.HasPrefix(s.Server, "tls://") { // which demands TLS of it
		s.Server = state.ControlURL
	}
	if state.ControlNKey != "" { // else the selected context may have credentials for it
		s.NKey, s.NoContext = state.ControlNKey, true
	}
	return s, state
}

// sameServer reports whether both URLs name one place on this network.
func sameServer(a, b string) bool {
	hostA, portA, okA := place(a)
	hostB, portB, okB := place(b)
	return okA && okB && hostA == hostB && portA == portB
}

// place takes a URL apart. It refuses lists, and URLs that bring credentials along.
func place(raw string) (host, port string, ok bool) {
	u, err := ParseServer(raw)
	if err != nil || u.User != nil || (u.Scheme != "nats" && u.Scheme != "tls") {
		return "", "", false
	}
	host, port = HostPort(u)
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		host = "localhost"
	}
	return host, port, true
}
