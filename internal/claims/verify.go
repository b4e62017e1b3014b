package claims

import (
	"errors"
	"slices"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/castore"
)

// Verifier decides whether the claims of a request let it pass. It is safe for concurrent use.
type Verifier struct {
	// Node is this node's id.
	Node string
	// ValidIssuers are the account keys that may sign; empty means any.
	ValidIssuers []string
	// RequireBound refuses classic claims.
	RequireBound bool
	// AllowUnverified lets start claims pass whose hash is no sha256.
	AllowUnverified bool
	// Seen refuses claims that were used before. Required.
	Seen *Seen
}

// Bounds in time. Classic claims carry no expiry; they count as expiring classicLifetime after they
// were issued, so that what was seen need not be remembered for ever.
const (
	maxLifetime     = time.Hour
	classicLifetime = time.Hour
	clockSkew       = time.Minute
)

// Start checks the claims of a deploy request.
func (v *Verifier) Start(r *nex.DeployRequest, namespace string) (*Claims, error) {
	c, err := v.common(r.WorkloadJWT, namespace)
	if err != nil {
		return nil, err
	}
	if err := nex.CheckName(c.Subject); err != nil {
		return nil, err
	}
	if c.Request != "" && c.Request != r.Digest() {
		return nil, nex.Errorf(nex.CodeInvalidClaims, "the claims were signed for another deploy request: sign this one")
	}
	if c.Bound() && c.Request == "" {
		return nil, nex.Errorf(nex.CodeInvalidClaims, "the claims name a node but not the request: sign data.request as well")
	}
	if !IsDigest(c.Hash) && !v.AllowUnverified {
		return nil, nex.Errorf(nex.CodeInvalidClaims, "the claims' data.hash is not a sha256 in hex: sign the digest of the artifact, or set allow_unverified_artifacts on the node")
	}
	return c, v.once(c, true)
}

// Stop checks the claims of a stop request. That they are of the right issuer and name is for the
// caller to see, who knows the workload.
func (v *Verifier) Stop(r *nex.StopRequest, namespace string) (*Claims, error) {
	c, err := v.common(r.WorkloadJWT, namespace)
	if err != nil {
		return nil, err
	}
	if (c.Bound() || c.Workload != "") && c.Workload != r.WorkloadID {
		return nil, nex.Errorf(nex.CodeInvalidClaims, "the claims were signed for another workload: sign data.workload with the id to stop")
	}
	return c, v.once(c, false)
}

// LameDuck checks the claims of a lame duck request. A node without valid issuers lets anybody with
// control permissions do it.
func (v *Verifier) LameDuck(r *nex.LameDuckRequest) error {
	if len(v.ValidIssuers) == 0 {
		return nil
	}
	if r.JWT == "" {
		return nex.Errorf(nex.CodeInvalidClaims, "this node has valid_issuers: sign the lame duck request with one of them")
	}
	c, err := v.common(r.JWT, "")
	if err != nil {
		return err
	}
	if c.Subject != v.Node {
		return nex.Errorf(nex.CodeInvalidClaims, "the claims' subject is not this node: sign the node's id")
	}
	if (c.Request != "" || r.ExitAfter != "") && c.Request != r.Digest() {
		return nex.Errorf(nex.CodeInvalidClaims, "the claims were signed for another lame duck request: sign data.request with the digest of exit_after")
	}
	return v.once(c, false)
}

// common checks what all claims have: signature, issuer, time, node and namespace. An empty
// namespace is not checked.
func (v *Verifier) common(token, namespace string) (*Claims, error) {
	c, err := Parse(token)
	if err != nil {
		return nil, nex.Errorf(nex.CodeInvalidClaims, "the claims are no valid JWT: %v: sign the request anew", err)
	}
	if len(v.ValidIssuers) > 0 && !slices.Contains(v.ValidIssuers, c.Issuer) {
		return nil, nex.Errorf(nex.CodeInvalidIssuer, "invalid workload issuer: %s", c.Issuer)
	}
	if err := v.checkTime(c); err != nil {
		return nil, err
	}
	switch {
	case c.Node != "" && c.Node != v.Node:
		return nil, nex.Errorf(nex.CodeInvalidClaims, "the claims were signed for another node: sign the request for node %s", v.Node)
	case namespace != "" && c.Namespace != "" && c.Namespace != namespace:
		return nil, nex.Errorf(nex.CodeInvalidClaims, "the claims were signed for another namespace: sign the request for namespace %s", namespace)
	case namespace != "" && v.RequireBound && !c.Bound():
		return nil, nex.Errorf(nex.CodeUnboundClaims, "the claims are not bound to node, namespace and time: use a newer client, or set require_bound_claims to false on the node")
	}
	return c, nil
}

func (v *Verifier) checkTime(c *Claims) error {
	now := time.Now()
	if c.Issued.After(now.Add(clockSkew)) {
		return nex.Errorf(nex.CodeClaimsExpired, "the claims were issued in the future: compare the clocks of client and node")
	}
	if c.NotBefore.After(now.Add(clockSkew)) {
		return nex.Errorf(nex.CodeClaimsExpired, "the claims are not valid yet: send the request later, or compare the clocks of client and node")
	}
	if !c.Expires.IsZero() && c.Expires.Sub(c.Issued) > maxLifetime {
		return nex.Errorf(nex.CodeClaimsExpired, "the claims are valid for more than %s: sign them for a shorter time", maxLifetime)
	}
	if now.After(c.end()) {
		return nex.Errorf(nex.CodeClaimsExpired, "the claims have expired: sign the request anew")
	}
	return nil
}

// end is when the claims stop being valid, and need not be remembered any longer.
func (c *Claims) end() time.Time {
	if c.Expires.IsZero() {
		return c.Issued.Add(classicLifetime)
	}
	return c.Expires
}

// once refuses claims that were used before. Those of a start must be remembered for good; a stop
// passes also when the disk is full, which may be what it is to end.
func (v *Verifier) once(c *Claims, forGood bool) error {
	fresh, err := v.Seen.Add(c.once, c.end())
	if errors.Is(err, errForgotten) {
		return nex.Errorf(nex.CodeClaimsReplayed, "the claims may have been used before, because the node's clock was ahead and it has forgotten claims that are valid as long: sign the request anew, or, if the clock was far ahead, remove claims.seen from the node's data directory while it is down")
	}
	if !fresh {
		return nex.Errorf(nex.CodeClaimsReplayed, "the claims were used before: sign the request anew")
	}
	switch {
	case !forGood:
		return nil
	case castore.IsDiskFull(err):
		return nex.Errorf(nex.CodeInsufficientResources, "the claims cannot be noted as used: the disk with the node's data directory is full: free some space")
	}
	return err
}

// IsDigest reports whether s is a sha256 in lower-case hex.
func IsDigest(s string) bool {
	if len(s) != 64 {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}
