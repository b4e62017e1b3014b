package nex_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	nex "github.com/nex-engine/nex"
)

// tokens are what somebody may want to call a workload or a namespace.
var tokens = []struct {
	name, token string
	says        string // "" if it is allowed
}{
	{"plain", "echoservice", ""},
	{"all kinds of characters", "aZ_0-9", ""},
	{"one character", "x", ""},
	{"only punctuation", "-_-", ""},
	{"longest", strings.Repeat("a", nex.MaxNameLength), ""},
	{"one too long", strings.Repeat("a", nex.MaxNameLength+1), "129 characters; use at most 128"},
	{"far too long", strings.Repeat("a", 300), "300 characters"},
	{"empty", "", "it is empty"},
	{"slash", "a/b", "use only letters"},
	{"parent folder", "..", "use only letters"},
	{"dot", "a.b", "use only letters"},
	{"space", "a b", "use only letters"},
	{"only a space", " ", "use only letters"},
	{"line break at the end", "a\n", "use only letters"},
	{"NUL", "a\x00", "use only letters"},
	{"wildcard", "*", "use only letters"},
	{"full wildcard", ">", "use only letters"},
	{"dollar", "$NEX", "use only letters"},
	{"umlaut", "größe", "use only letters"},
	{"other digits", "٣", "use only letters"},
	{"emoji", "🚀", "use only letters"},
	{"not UTF-8", "\xff", "use only letters"},
}

func TestCheckName(t *testing.T) {
	for _, tt := range tokens {
		t.Run(tt.name, func(t *testing.T) {
			check(t, nex.CheckName(tt.token), nex.CodeInvalidName, tt.says)
		})
	}
	if err := nex.CheckName(nex.SystemNamespace); err != nil {
		t.Errorf("a workload cannot be called %s: %v", nex.SystemNamespace, err)
	}
}

func TestCheckNamespace(t *testing.T) {
	for _, tt := range tokens {
		t.Run(tt.name, func(t *testing.T) {
			check(t, nex.CheckNamespace(tt.token), nex.CodeInvalidNamespace, tt.says)
		})
	}
	if err := nex.CheckNamespace(nex.DefaultNamespace); err != nil {
		t.Errorf("the default namespace: %v", err)
	}
	wantRefusal(t, nex.CheckNamespace(nex.SystemNamespace), nex.CodeInvalidNamespace, "reserved")
}

func check(t *testing.T, err error, code nex.Code, says string) {
	t.Helper()
	if says != "" {
		wantRefusal(t, err, code, says)
	} else if err != nil {
		t.Errorf("error = %v, want none", err)
	}
}

func TestMessagesStayReadable(t *testing.T) {
	for _, long := range []string{strings.Repeat("ä", 200), "x" + strings.Repeat("ä", 200), strings.Repeat("\x80", 200)} {
		err := nex.CheckName(long)
		wantRefusal(t, err, nex.CodeInvalidName, "…")
		if !utf8.ValidString(err.Error()) {
			t.Errorf("message %q is not UTF-8", err)
		}
		if utf8.ValidString(long) && strings.Contains(err.Error(), `\x`) {
			t.Errorf("message %q cuts a character in two", err)
		}
	}
}

func TestKeysByForm(t *testing.T) {
	tests := []struct {
		name, key  string
		node, xkey bool
	}{
		{"node", nodeID, true, false},
		{"xkey", xkey, false, true},
		{"account", "A" + nodeID[1:], false, false},
		{"empty", "", false, false},
		{"short", nodeID[:55], false, false},
		{"long", xkey + "B", false, false},
		{"lower case", strings.ToLower(nodeID), false, false},
		{"no base32", nodeID[:55] + "1", false, false},
		{"line break", xkey[:55] + "\n", false, false},
		{"wildcard", "*", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := nex.IsNodeID(tt.key); got != tt.node {
				t.Errorf("IsNodeID = %v, want %v", got, tt.node)
			}
			if got := nex.IsXkey(tt.key); got != tt.xkey {
				t.Errorf("IsXkey = %v, want %v", got, tt.xkey)
			}
		})
	}
}
