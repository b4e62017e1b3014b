package embednats

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"slices"
	"strconv"
)

// clientURL is how clients on this machine reach a server that listens on host and port. With TLS
// the name is one that the certificate is for, if there is any.
func clientURL(host string, port int, config *tls.Config) string {
	u := url.URL{Scheme: "nats"}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.To4() == nil {
			host = "::1"
		}
	}
	if config != nil {
		u.Scheme = "tls"
		host = certifiedName(host, config)
	}
	u.Host = net.JoinHostPort(host, strconv.Itoa(port))
	return u.String()
}

// certifiedName returns host, or another name of this machine if the certificate is for that alone.
func certifiedName(host string, config *tls.Config) string {
	local := []string{"127.0.0.1", "::1", "localhost"}
	if len(config.Certificates) == 0 || !slices.Contains(local, host) {
		return host
	}
	cert, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		return host
	}
	for _, name := range append([]string{host}, local...) {
		if cert.VerifyHostname(name) == nil {
			return name
		}
	}
	return host
}
