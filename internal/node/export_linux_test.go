package node

// ByAddress is where a NATS server is that services reach by the gateway; empty for others.
func ByAddress(server string) string {
	_, target, ok := byAddress(server)
	if !ok {
		return ""
	}
	return target.String()
}
