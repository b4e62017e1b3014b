package natsconn

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
)

// Problem is what is wrong with a setting.
type Problem struct {
	// Setting is its name: a flag, or a field such as host_services.nats_url.
	Setting string
	// Text says what is wrong with it and what to do, as the rest of a sentence that its name begins.
	Text string
}

func (p Problem) Error() string { return p.Setting + " " + p.Text }

// Of returns the settings of a connection that a request or a configuration brings along in a field. What is
// said about them names its fields, such as host_services.nats_url.
func Of(field string, c nex.Connection) Settings {
	return Settings{Server: c.URL, UserJWT: c.UserJWT, UserSeed: c.UserSeed, NoContext: true, field: field}
}

// WithContext returns the settings with a NATS context that supplies what they leave out; empty is none.
func (s Settings) WithContext(nameOrFile string) Settings {
	s.Context, s.NoContext = nameOrFile, nameOrFile == ""
	return s
}

// Problems finds all that is wrong with settings of [Of], as far as that can be told without connecting.
func (s Settings) Problems() []Problem {
	server, token, seed := s.name("--server"), s.name("--jwt"), s.name("--seed")
	var all []Problem
	say := func(setting, format string, args ...any) {
		all = append(all, Problem{setting, fmt.Sprintf(format, args...)})
	}
	var problem Problem
	if s.Server != "" && errors.As(CheckServers(server, s.Server), &problem) {
		all = append(all, problem)
	}
	if s.UserSeed != "" && !isUserSeed(s.UserSeed) {
		say(seed, "is not the seed of a user nkey, which begins with SU: give that of the user in %s", token)
	}
	switch {
	case s.UserJWT != "" && s.UserSeed == "":
		say(token, "needs %s, which is not given", seed)
	case s.UserSeed != "" && s.UserJWT == "":
		say(seed, "needs %s, which is not given", token)
	case s.UserJWT != "" && s.Server == "" && s.Context == "":
		say(token, "needs %s, which is not given", server)
	}
	return all
}

func isUserSeed(s string) bool {
	prefix, _, err := nkeys.DecodeSeed([]byte(s))
	return err == nil && prefix == nkeys.PrefixByteUser
}

// fieldNames are what fields call the settings that they have.
var fieldNames = map[string]string{
	"--server": "nats_url", "--jwt": "nats_user_jwt", "--seed": "nats_user_seed", "--context": "nats_context",
}

// name is what a flag's setting is called where the settings come from.
func (s Settings) name(flag string) string {
	if s.field == "" {
		return flag
	}
	return s.field + "." + fieldNames[flag]
}

// ReadCreds reads a credentials file, and returns what it consists of. The error names the setting that the file is
// of.
func ReadCreds(setting, file string) (userJWT, userSeed string, err error) {
	content, err := os.ReadFile(file)
	if err == nil {
		userJWT, userSeed, err = parseCreds(content)
	}
	if err != nil {
		return "", "", unusable("credentials file", file, err, setting)
	}
	return userJWT, userSeed, nil
}

// unusable says that a file is not what a setting needs.
func unusable(what, file string, err error, setting string) error {
	return fmt.Errorf("the %s %s cannot be used (%w): change %s", what, file, withoutPath(err), setting)
}

func parseCreds(content []byte) (userJWT, userSeed string, err error) {
	// Without markers around it the library takes the whole file for the JWT.
	userJWT, err = nkeys.ParseDecoratedJWT(content)
	if err != nil || strings.Count(userJWT, ".") != 2 {
		return "", "", errors.New("it holds no user JWT")
	}
	userSeed, err = parseSeed(content)
	return userJWT, userSeed, err
}

func parseSeed(content []byte) (string, error) {
	pair, err := nkeys.ParseDecoratedNKey(content)
	if err != nil {
		return "", errors.New("it holds no nkey seed")
	}
	seed, err := pair.Seed()
	if err != nil || !isUserSeed(string(seed)) {
		return "", errors.New("its seed is not that of a user, which begins with SU")
	}
	return string(seed), nil
}

// claimsOf are the claims of a user JWT, nil if it is none.
func claimsOf(token string) *jwt.UserClaims {
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return nil
	}
	return claims
}
