// Package claims signs and reads the claims of start, stop and lame duck requests: NATS JWT generic
// claims, signed by an account nkey, the issuer.
//
// The classic claims say only which workload (sub) with which artifact digest (data.hash). Bound
// claims also say on which node, in which namespace, with which rest of the request, and until
// when, so that nobody who sees a request can use its claims for another one.
package claims

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Claims are the claims of one request. Empty fields are absent from the token.
type Claims struct {
	Subject string // workload name; node id for lame duck
	Hash    string // sha256 of the artifact, hex; of start only

	// What bound claims add.
	Node      string
	Namespace string
	Request   string // Digest of the request; of start, and of lame duck with exit_after
	Workload  string // workload id; of stop only

	// Set by Sign, read by Parse.
	Issuer    string    // account nkey public key
	ID        string    // unique
	Issued    time.Time // to the second
	Expires   time.Time // zero in classic claims
	NotBefore time.Time // zero unless somebody else than Sign has set it

	once string // what makes two tokens one; set by Parse
}

// Names of the data fields in the token.
const (
	fieldHash      = "hash"
	fieldNode      = "node"
	fieldNamespace = "namespace"
	fieldRequest   = "request"
	fieldWorkload  = "workload"
	fieldNonce     = "nonce"
)

// Lifetime is how long claims made by Sign are valid.
const Lifetime = 5 * time.Minute

// Bound reports whether the claims can be used on one node, in one namespace, for a limited time
// only.
func (c *Claims) Bound() bool {
	return c.Node != "" && c.Namespace != "" && !c.Expires.IsZero()
}

// Sign returns the token for the claims. It sets Issuer and the rest of the last group by itself.
func Sign(issuer nkeys.KeyPair, c Claims) (string, error) {
	g := jwt.NewGenericClaims(c.Subject)
	if g == nil {
		return "", errors.New("sign claims: the subject is empty")
	}
	for field, value := range map[string]string{
		fieldHash: c.Hash, fieldNode: c.Node, fieldNamespace: c.Namespace,
		fieldRequest: c.Request, fieldWorkload: c.Workload,
		// Without it, two tokens for the same request in one second would be one.
		fieldNonce: rand.Text(),
	} {
		if value != "" {
			g.Data[field] = value
		}
	}
	g.Expires = time.Now().Add(Lifetime).Unix()
	token, err := g.Encode(issuer)
	if err != nil {
		return "", fmt.Errorf("sign claims: %w", err)
	}
	return token, nil
}

// maxToken bounds a token, in bytes.
const maxToken = 16 << 10

// Parse checks the signature of a token and returns its claims. It checks no time, no issuer, and
// no binding: that is what a Verifier is for.
func Parse(token string) (*Claims, error) {
	if len(token) > maxToken {
		return nil, fmt.Errorf("it is longer than %d bytes", maxToken)
	}
	if err := checkHeader(token); err != nil {
		return nil, err
	}
	g, err := jwt.DecodeGeneric(token)
	if err != nil {
		return nil, errors.New("its signature is not valid")
	}
	text := func(field string) string { s, _ := g.Data[field].(string); return s }
	c := &Claims{
		Subject: g.Subject, Hash: text(fieldHash),
		Node: text(fieldNode), Namespace: text(fieldNamespace), Request: text(fieldRequest), Workload: text(fieldWorkload),
		Issuer: g.Issuer, ID: g.ID, Issued: time.Unix(g.IssuedAt, 0), once: fingerprint(token),
	}
	if g.Expires != 0 {
		c.Expires = time.Unix(g.Expires, 0)
	}
	if g.NotBefore != 0 {
		c.NotBefore = time.Unix(g.NotBefore, 0)
	}
	switch {
	// The library passes over line breaks in a key.
	case !nkeys.IsValidPublicAccountKey(c.Issuer) || strings.ContainsAny(c.Issuer, "\r\n"):
		return nil, errors.New("its issuer is not an account key")
	case c.Subject == "":
		return nil, errors.New("it has no subject")
	case c.ID == "":
		return nil, errors.New("it has no id")
	case g.IssuedAt <= 0:
		return nil, errors.New("it does not say when it was issued")
	}
	return c, nil
}

// fingerprint identifies a token by the claims in it, as they were signed. The token's own id will
// not do: the library makes it of issuer, subject and second, so that a stop right after a start has
// the start's id.
func fingerprint(token string) string {
	claims := strings.Split(token, ".")[1] // the library has parsed it
	b, err := base64.RawURLEncoding.DecodeString(claims)
	if err != nil {
		b = []byte(claims)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// checkHeader lets only the current algorithm through: the library reads the older one in a way
// that a hostile token can make panic.
func checkHeader(token string) error {
	head, _, ok := strings.Cut(token, ".")
	if !ok {
		return errors.New("it is not a JWT")
	}
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return errors.New("it is not a JWT")
	}
	var h struct {
		Algorithm string `json:"alg"`
	}
	if json.Unmarshal(b, &h) != nil || h.Algorithm != jwt.AlgorithmNkey {
		return fmt.Errorf("its algorithm is not %s", jwt.AlgorithmNkey)
	}
	return nil
}
