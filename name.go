package nex

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Namespaces are the unit of multi-tenancy: every workload, event, log and bucket belongs to one.
const (
	// SystemNamespace carries the nodes' own events and logs; no workload can be deployed to it.
	SystemNamespace = "system"
	// DefaultNamespace is what a client uses when it is given none.
	DefaultNamespace = "default"
)

// MaxNameLength bounds workload names and namespaces, in bytes: both become NATS subject tokens.
const MaxNameLength = 128

// TokenPattern is the pattern of workload names and namespaces.
const TokenPattern = `^[a-zA-Z0-9_-]+$`

var tokenRE = regexp.MustCompile(TokenPattern)

// CheckName returns an Error with code [CodeInvalidName] unless name can be a workload name.
func CheckName(name string) error {
	if err := checkToken(name); err != nil {
		return Errorf(CodeInvalidName, "invalid workload name %q: %v", clip(name), err)
	}
	return nil
}

// CheckNamespace returns an Error with code [CodeInvalidNamespace] unless workloads can live in
// the namespace.
func CheckNamespace(namespace string) error {
	if namespace == SystemNamespace {
		return Errorf(CodeInvalidNamespace, "namespace %q is reserved for the nodes themselves: choose another", namespace)
	}
	return checkNamespaceToken(namespace)
}

func checkNamespaceToken(namespace string) error {
	if err := checkToken(namespace); err != nil {
		return Errorf(CodeInvalidNamespace, "invalid namespace %q: %v", clip(namespace), err)
	}
	return nil
}

func checkToken(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("it is empty; use letters, digits, _ and -")
	case len(s) > MaxNameLength:
		return fmt.Errorf("it has %d characters; use at most %d", len(s), MaxNameLength)
	case !tokenRE.MatchString(s):
		return fmt.Errorf("use only letters, digits, _ and -")
	}
	return nil
}

// IsNodeID reports whether s has the form of a node id: an nkey server public key, N and 55
// characters of base32. It does not check the key's checksum.
func IsNodeID(s string) bool {
	return isPublicKey(s, 'N')
}

// IsXkey reports whether s has the form of a public xkey: X and 55 characters of base32. It does
// not check the key's checksum. The nkeys library panics on what is longer, so this comes first.
func IsXkey(s string) bool {
	return isPublicKey(s, 'X')
}

func isPublicKey(s string, kind byte) bool {
	if len(s) != 56 || s[0] != kind {
		return false
	}
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// clip shortens a string from outside for use in an error message. It cuts between characters.
func clip(s string) string {
	most := 64
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
