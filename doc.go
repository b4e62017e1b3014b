// Package nex is the vocabulary of Nex, the NATS execution engine, and its wire contract.
//
// The types here are what travels on the control subjects ($NEX.>): their JSON form is the
// contract, version 1 of which existing Nex 0.2 clients speak. Fields that version 1 does not
// know are additive; a reader tolerates fields it does not know. docs/protocol.md is the same
// contract in prose and is held to these types by a test.
//
// The package is pure: it imports the standard library only, does no I/O, starts no goroutine,
// and every function is safe for concurrent use. Everything that parses bytes from outside is
// fuzzed and never panics.
package nex

// Version is the version of this program, a semantic version. Release builds set it with
// -ldflags "-X github.com/nex-engine/nex.Version=1.2.3".
var Version = "0.3.0-dev"
