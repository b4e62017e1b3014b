//go:build linux

package network

// ParseResolvConf is what the name servers of the machine are read with.
var ParseResolvConf = parseResolvConf
