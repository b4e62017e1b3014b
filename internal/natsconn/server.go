package natsconn

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// defaultPort is what a URL without a port means.
const defaultPort = "4222"

// CheckServers checks what a setting says about servers: URLs, or hosts with a port, with commas between. The
// error is a [Problem] of that setting.
func CheckServers(setting, list string) error {
	for _, server := range splitServers(list) {
		if _, err := ParseServer(server); err != nil {
			// Not the URL itself: it may hold a password.
			return Problem{setting, fmt.Sprintf("is not a NATS URL (%v): write nats://host:port", err)}
		}
	}
	return nil
}

// splitServers takes a list of servers apart.
func splitServers(list string) []string {
	servers := strings.Split(list, ",")
	for i := range servers {
		servers[i] = strings.TrimSpace(servers[i])
	}
	return servers
}

// ParseServer parses the URL of one server, whose scheme is optional. The error does not repeat the URL.
func ParseServer(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		raw = "nats://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New(reason(err))
	}
	if u.Hostname() == "" {
		return nil, errors.New("it names no host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errors.New("its port is none from 1 to 65535")
		}
	}
	if strings.Contains(u.EscapedPath()+u.RawQuery+u.EscapedFragment(), "@") {
		// What has been taken for the host is a part of it.
		return nil, errors.New("an @ comes after its host: if that is in a user, password or token, write / as %2F, ? as %3F, # as %23 and @ as %40 there")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return u, nil
	}
	return nil, fmt.Errorf("scheme %s is none of nats, tls, ws, wss", u.Scheme)
}

// reason is why a URL is none, without any of it: what is taken for a port, or badly escaped, may be a password
// as well.
func reason(err error) string {
	var detail *url.Error
	if errors.As(err, &detail) {
		err = detail.Err
	}
	text, _, _ := strings.Cut(err.Error(), " \"")
	return text
}

// WithoutUser is what is said of servers: scheme, host and port of each. What is no URL is not repeated.
func WithoutUser(list string) string {
	servers := splitServers(list)
	for i, server := range servers {
		servers[i] = oneWithoutUser(server)
	}
	return strings.Join(servers, ", ")
}

// oneWithoutUser is what is said of one server.
func oneWithoutUser(server string) string {
	u, err := ParseServer(server)
	if err != nil {
		return "(malformed URL)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

// ConnectedURL is the server that a connection has, without user, password and token; empty if it has none.
func ConnectedURL(nc *nats.Conn) string {
	if at := nc.ConnectedUrl(); at != "" {
		return oneWithoutUser(at) // one, in which the commas are those of a password
	}
	return ""
}

// HostPort is where a server is, with the port that its URL means.
func HostPort(u *url.URL) (host, port string) {
	if port = u.Port(); port == "" {
		port = defaultPort
	}
	return u.Hostname(), port
}
