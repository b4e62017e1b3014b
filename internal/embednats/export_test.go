package embednats

import (
	"net/url"
	"strconv"
)

// Ports returns where the server listens for WebSocket clients, other servers and leaf nodes.
func (s *Server) Ports() (webSocket, cluster, leafNodes string) {
	port := func(urls []string) string {
		if len(urls) == 0 {
			return ""
		}
		u, err := url.Parse(urls[0])
		if err != nil {
			return ""
		}
		return u.Port()
	}
	info := s.nats.PortsInfo(readyWait)
	return port(info.WebSocket), port(info.Cluster), strconv.Itoa(s.opts.LeafNode.Port)
}
