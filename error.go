package nex

import (
	"errors"
	"fmt"
)

// Code is a stable, machine-readable class of failure. It travels in the "code" field of a reply
// and decides the Nats-Service-Error-Code header. docs/errors.md lists them all.
type Code string

// The codes, grouped by who can do something about them.
const (
	// The request.
	CodeInvalidRequest        Code = "invalid_request"
	CodeRequestTooLarge       Code = "request_too_large"
	CodeInvalidName           Code = "invalid_name"
	CodeInvalidNamespace      Code = "invalid_namespace"
	CodeWrongNode             Code = "wrong_node"
	CodeUnsupportedType       Code = "unsupported_type"
	CodeUnsupportedLimit      Code = "unsupported_limit"
	CodeSandboxTooWeak        Code = "sandbox_too_weak"
	CodeUnsupportedTrigger    Code = "unsupported_trigger"
	CodeTriggerDenied         Code = "trigger_denied"
	CodeEnvironmentUnreadable Code = "environment_unreadable"
	CodeWorkloadNotFound      Code = "workload_not_found"

	// The claims.
	CodeInvalidClaims  Code = "invalid_claims"
	CodeInvalidIssuer  Code = "invalid_issuer"
	CodeClaimsExpired  Code = "claims_expired"
	CodeClaimsReplayed Code = "claims_replayed"
	CodeUnboundClaims  Code = "unbound_claims"

	// The artifact.
	CodeLocationDenied      Code = "location_denied"
	CodeArtifactNotFound    Code = "artifact_not_found"
	CodeArtifactUnavailable Code = "artifact_unavailable"
	CodeArtifactTooLarge    Code = "artifact_too_large"
	CodeDigestMismatch      Code = "digest_mismatch"
	CodeInvalidExecutable   Code = "invalid_executable"
	CodeInvalidFunction     Code = "invalid_function"

	// The node.
	CodeLameDuck              Code = "lame_duck"
	CodeNodeFull              Code = "node_full"
	CodeInsufficientResources Code = "insufficient_resources"
	CodeNoAgent               Code = "no_agent"
	CodeStartFailed           Code = "start_failed"
	CodeConnectionFailed      Code = "connection_failed"
	CodeInternal              Code = "internal"

	// The way there, found out by the client.
	CodeNodeNotFound Code = "node_not_found"
	CodeTimeout      Code = "timeout"
)

// CodeInfo describes a code for people and for NATS micro clients.
type CodeInfo struct {
	Code   Code
	Status int    // the Nats-Service-Error-Code, an HTTP status by meaning
	Means  string // what happened
	Do     string // what to do about it
}

// Codes lists every code a node or the client can return.
var Codes = []CodeInfo{
	{CodeInvalidRequest, 400, "The request is not JSON, lacks a field, or a field has a wrong value.", "Mend the field that the message names."},
	{CodeRequestTooLarge, 413, "The request is larger than 1 MiB.", "Put large data into an object store and refer to it."},
	{CodeInvalidName, 400, "The workload name does not match " + TokenPattern + " or is longer than 128 bytes.", "Choose another name."},
	{CodeInvalidNamespace, 400, "The namespace does not match " + TokenPattern + ", is longer than 128 bytes, or is the reserved one.", "Choose another namespace."},
	{CodeWrongNode, 400, "The request names another target node than the one it was sent to.", "Send it to the node it was made for."},
	{CodeUnsupportedType, 400, "The node does not run workloads of this type.", "Use auction to find a node that does."},
	{CodeUnsupportedLimit, 400, "The node cannot hold a workload to a bound that the request sets: its memory, its processors, or where it may connect to.", "Leave the bound away, or choose another node; the message says what is missing on this one."},
	{CodeSandboxTooWeak, 400, "The node's sandbox level is below the one that the request demands.", "Use auction with min_sandbox to find a node that isolates better, or demand less."},
	{CodeUnsupportedTrigger, 400, "Workloads of this type cannot have triggers, or the function has none.", "Leave the trigger subjects away; give a function at least one."},
	{CodeTriggerDenied, 403, "A trigger subject overlaps with the node's deny list.", "Choose another trigger subject."},
	{CodeEnvironmentUnreadable, 400, "The environment was not sealed to this node's xkey, or is not a map of strings.", "Seal it to the target_xkey that the node answers to a ping."},
	{CodeWorkloadNotFound, 404, "No workload with this id, of this issuer, in this namespace is on the node.", "Look it up with node info; use the issuer that started it."},
	{CodeInvalidClaims, 401, "The claims are missing, not a valid JWT, or do not belong to this request.", "Sign the request anew."},
	{CodeInvalidIssuer, 403, "The issuer of the claims is not among the node's valid issuers.", "Use another issuer key, or add it to valid_issuers."},
	{CodeClaimsExpired, 401, "The claims have expired, or are valid for too long or not yet.", "Sign the request anew; compare the clocks."},
	{CodeClaimsReplayed, 409, "Claims with this id were used before.", "Sign the request anew: every request needs fresh claims."},
	{CodeUnboundClaims, 401, "The claims are not bound to node, namespace and request, and the node demands it.", "Use a newer client, or set require_bound_claims to false on the node."},
	{CodeLocationDenied, 403, "The node does not fetch artifacts from this kind of location.", "Use nats://BUCKET/key, or allow the scheme on the node."},
	{CodeArtifactNotFound, 404, "The bucket, key, file or page does not exist.", "Check the location; upload the artifact first."},
	{CodeArtifactUnavailable, 503, "The place where the artifact lies did not answer, or has no JetStream.", "Enable JetStream, or try again."},
	{CodeArtifactTooLarge, 413, "The artifact is larger than the node's limits allow.", "Make it smaller, or raise node_limits."},
	{CodeDigestMismatch, 422, "The artifact's sha256 is not the one in the claims.", "Sign the request with the digest of the artifact that lies there."},
	{CodeInvalidExecutable, 422, "The artifact is no program that this node can run.", "Build it for the node's system, as the message says."},
	{CodeInvalidFunction, 422, "The artifact is no function that can be loaded: a syntax error, no function in it, a missing import.", "Mend what the message names."},
	{CodeLameDuck, 503, "The node is in lame duck mode and takes no new workloads.", "Choose another node."},
	{CodeNodeFull, 503, "The node runs as many workloads as its limits allow.", "Choose another node, or raise node_limits."},
	{CodeInsufficientResources, 503, "The node's machine does not have the memory or the processors that the request asks for.", "Ask for less, or use auction with memory_mib to find a node that has them."},
	{CodeNoAgent, 503, "No agent became ready in time.", "Look at the node's log; try again."},
	{CodeStartFailed, 500, "The program could not be started.", "See the message and the workload's log."},
	{CodeConnectionFailed, 502, "The node could not make a NATS connection that the function needs for its triggers or host services.", "Check the connection that the request, or the node's configuration, names."},
	{CodeInternal, 500, "The node failed in a way that is not the request's fault.", "See the node's log."},
	{CodeNodeNotFound, 404, "No node with this id answered.", "List the nodes with node ls."},
	{CodeTimeout, 408, "No answer came in time.", "Check the node, or allow more time with --timeout."},
}

var statusOf = func() map[Code]int {
	m := make(map[Code]int, len(Codes))
	for _, c := range Codes {
		m[c.Code] = c.Status
	}
	return m
}()

// Status returns the Nats-Service-Error-Code of a code, an HTTP status by meaning: 500 for a code
// this version does not know.
func (c Code) Status() int {
	if s, ok := statusOf[c]; ok {
		return s
	}
	return 500
}

// Error is a refusal or failure with a stable code and one sentence that says what failed, on
// what, and what to do. It survives the wire: errors.Is compares codes, so
//
//	errors.Is(err, nex.ErrWorkloadNotFound)
//
// holds on both sides.
type Error struct {
	Code    Code
	Message string
}

// Error returns the sentence alone.
func (e *Error) Error() string { return e.Message }

// Is reports whether target is an *Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the first Error in err's chain, [CodeInternal] if there is none, and
// "" for a nil error.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// Sentinels for errors.Is; their messages are the ones version 1 clients know.
var (
	ErrWorkloadNotFound = &Error{CodeWorkloadNotFound, "no such workload"}
	ErrLameDuck         = &Error{CodeLameDuck, "Node is in lame duck mode. Workload deploy request denied"}
	ErrNodeFull         = &Error{CodeNodeFull, "Node is at maximum workload limit. Deploy request denied"}
	ErrArtifactTooLarge = &Error{CodeArtifactTooLarge, "Workload file size would exceed node limitations"}
	ErrNodeNotFound     = &Error{CodeNodeNotFound, "no such node"}
	ErrTimeout          = &Error{CodeTimeout, "no answer in time"}
)
