package natsconn

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/jsm.go/natscontext"
	"github.com/nats-io/nats.go"
)

// What the oldest servers are that have what nex uses.
const (
	// minHeaders has headers: errors and ids are in them, and that nobody listens.
	minHeaders = "2.2.0"
	// MinJetStream has the consumers by name that object stores and key-value buckets are read with.
	MinJetStream = "2.9.0"
)

// checkHeaders refuses a server that has no headers.
func (s Settings) checkHeaders(c *natscontext.Context, nc *nats.Conn) error {
	if nc.HeadersSupported() {
		return nil
	}
	at, version, server := ConnectedURL(nc), nc.ConnectedServerVersion(), s.origin("--server", s.Server, c)
	if olderThan(version, minHeaders) {
		return fmt.Errorf("the NATS server at %s has version %s, and nex needs %s or newer, with headers: update it, or name another with %s", at, version, minHeaders, server)
	}
	return fmt.Errorf("the NATS server at %s has no headers, which nex needs: leave no_header_support out of its configuration, or name another with %s", at, server)
}

// CheckJetStream returns an error if the server of a connection is too old for the object stores and key-value
// buckets of nex. It does not ask whether JetStream is there.
func CheckJetStream(nc *nats.Conn) error {
	if version := nc.ConnectedServerVersion(); olderThan(version, MinJetStream) {
		return fmt.Errorf("the NATS server at %s has version %s, and object stores and key-value buckets need %s or newer: update it", ConnectedURL(nc), version, MinJetStream)
	}
	return nil
}

// olderThan compares versions. What is no version is not older.
func olderThan(version, least string) bool {
	have, want := numbers(version), numbers(least)
	if have == nil {
		return false
	}
	for i := range want {
		if have[i] != want[i] {
			return have[i] < want[i]
		}
	}
	return false
}

// numbers are the three of a version such as 2.10.4-beta.1, nil if it is none.
func numbers(version string) []int {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	parts := strings.Split(version, ".")
	if len(parts) != 3 {
		return nil
	}
	list := make([]int, len(parts))
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil
		}
		list[i] = n
	}
	return list
}
