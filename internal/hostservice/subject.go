package hostservice

import (
	"fmt"
	"slices"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/hostapi"
)

// maxSubjectBytes bounds a subject. A server ends connections on which a line is longer than a few
// kilobytes, so this must not get there.
const maxSubjectBytes = 1 << 10

// checkSubject refuses what is no subject that a message can be sent to.
func checkSubject(s string) *hostapi.Error {
	if s == "" {
		return hostapi.Errorf(hostapi.CodeInvalid, "the subject is empty")
	}
	if len(s) > maxSubjectBytes {
		return hostapi.Errorf(hostapi.CodeInvalid, "the subject %q has %d bytes, more than %d", clip(s), len(s), maxSubjectBytes)
	}
	for _, c := range []byte(s) {
		switch {
		case c == '*' || c == '>':
			return hostapi.Errorf(hostapi.CodeInvalid, "the subject %q has %q in it: a message goes to one subject, without wildcards", clip(s), c)
		case c <= ' ' || c == 0x7f:
			return hostapi.Errorf(hostapi.CodeInvalid, "the subject %q has white space or a control character in it", clip(s))
		}
	}
	if strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..") {
		return hostapi.Errorf(hostapi.CodeInvalid, "the subject %q has an empty token", clip(s))
	}
	return nil
}

// subjectList is a list of subjects that may have wildcards, by tokens.
type subjectList [][]string

// newSubjectList makes the list of what nobody may use besides nex.ReservedSubjects.
func newSubjectList(deny []string) (subjectList, error) {
	var l subjectList
	for _, s := range slices.Concat(nex.ReservedSubjects, deny) {
		tokens := strings.Split(s, ".")
		for i, t := range tokens {
			if t == "" || strings.ContainsAny(t, " \t\r\n") || t == ">" && i < len(tokens)-1 {
				return nil, fmt.Errorf("%q is no subject that can be denied", s)
			}
		}
		l = append(l, tokens)
	}
	return l, nil
}

// match returns the entry that a subject without wildcards belongs to.
func (l subjectList) match(subject string) (entry string, ok bool) {
	for _, pattern := range l {
		if matches(pattern, subject) {
			return strings.Join(pattern, "."), true
		}
	}
	return "", false
}

func matches(pattern []string, subject string) bool {
	for i, p := range pattern {
		token, rest, more := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return true
		case p != "*" && p != token:
			return false
		case !more:
			return i == len(pattern)-1
		}
		subject = rest
	}
	return false
}
