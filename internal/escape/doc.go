// Package escape attacks a node from within its sandboxes. It has tests only: each escape is a workload that
// a real node runs in a real sandbox and that is expected to fail, and the host is looked at afterwards.
//
// What attacks is testdata/intruder, a program that runs as a service, in an image, and for a control as
// root of the machine: what fails in a sandbox must be something that succeeds outside, wherever that does
// no harm. Functions have testdata/intruderfunction, and a script.
//
// TestSeparation is about NATS: from every place where somebody may be, it attempts all of a list to get at
// control, other accounts and internal servers. It logs each attempt, and how it was refused.
//
// The tests need root and take place in a network namespace that has no way out.
package escape
