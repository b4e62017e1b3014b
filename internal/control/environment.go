package control

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
)

// openEnvironment opens an environment that sender, a public xkey, has sealed to key. Nothing sealed
// is an empty environment.
func openEnvironment(key nkeys.KeyPair, text, sender string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	unreadable := func(why string) error {
		return nex.Errorf(nex.CodeEnvironmentUnreadable, "Failed to decrypt environment for deploy request: %s", why)
	}
	if !nex.IsXkey(sender) { // the library panics on some that are not
		return nil, unreadable("sender_public_key is not a public xkey")
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, unreadable("it is not base64")
	}
	plain, err := key.Open(sealed, sender)
	if err != nil {
		return nil, unreadable("it was not sealed by sender_public_key to this node's xkey")
	}
	var environment map[string]string
	if err := json.Unmarshal(plain, &environment); err != nil {
		return nil, unreadable("it is not a JSON map of strings")
	}
	for name, value := range environment {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return nil, unreadable("a name is empty or has an =, or there is a NUL character")
		}
	}
	return environment, nil
}
