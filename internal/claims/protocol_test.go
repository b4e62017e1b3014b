package claims_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/claims"
)

// claimRow is a row of the table of claims in docs/protocol.md.
var claimRow = regexp.MustCompile("(?m)^\\| `([a-z.]+)` ")

// The documentation names what Sign writes, and nbf, which only others write.
func TestProtocolNamesEveryClaim(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "\n## Claims\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, m := range claimRow.FindAllStringSubmatch(section, -1) {
		documented = append(documented, m[1])
	}

	key, _ := pair(t, nkeys.CreateAccount)
	token := sign(t, key, claims.Claims{Subject: "echo", Hash: digest, Node: nodeID, Namespace: namespace, Request: "r", Workload: "w"})
	written := append(claimNames(t, strings.Split(token, ".")[1]), "nbf")

	slices.Sort(documented)
	slices.Sort(written)
	if !slices.Equal(documented, written) {
		t.Errorf("docs/protocol.md has %s, a token %s", documented, written)
	}
	if header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0]); err != nil || !strings.Contains(section, string(header)) {
		t.Errorf("docs/protocol.md lacks the header %s, %v", header, err)
	}
}

func claimNames(t *testing.T, payload string) []string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, value := range all {
		if data, ok := value.(map[string]any); ok {
			for field := range data {
				names = append(names, name+"."+field)
			}
			continue
		}
		names = append(names, name)
	}
	return names
}
