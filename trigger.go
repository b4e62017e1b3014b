package nex

import (
	"errors"
	"fmt"
	"strings"
)

// ReservedSubjects are the subjects that no trigger may overlap with, on any node.
var ReservedSubjects = []string{"$SYS.>", "$JS.>", "$NEX.>", "$KV.>", "$O.>", "$SRV.>", "_INBOX.>"}

// MayAnswer reports whether an answer may go to a reply subject. Whoever answers publishes with rights that
// who asks may not have: what would be written into a bucket, or asked of a node, is not for a reply subject
// to say. Inboxes may be answered, and acknowledgements of JetStream, which are answers like others.
func MayAnswer(reply string) bool {
	if strings.HasPrefix(reply, "_INBOX.") || strings.HasPrefix(reply, "$JS.ACK.") {
		return true
	}
	for _, reserved := range ReservedSubjects {
		if strings.HasPrefix(reply, strings.TrimSuffix(reserved, ">")) {
			return false
		}
	}
	return reply != ""
}

// checkTrigger checks that s is a subject that can be subscribed to.
func checkTrigger(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	if len(s) > maxSubjectLength {
		return fmt.Errorf("it is longer than %d bytes", maxSubjectLength)
	}
	tokens := strings.Split(s, ".")
	for i, t := range tokens {
		switch {
		case t == "":
			return errors.New("it has an empty token")
		case strings.ContainsAny(t, " \t\r\n\f\x00"):
			return errors.New("it contains white space")
		case t == ">" && i != len(tokens)-1:
			return errors.New("> may only be the last token")
		}
	}
	return nil
}
