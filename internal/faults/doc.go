// Package faults lets things go wrong around real nodes, at random, and checks after each fault that nothing
// that was accepted is lost and nothing that was stopped runs. It has tests only.
//
// There is a cluster of three NATS servers, two nodes in network namespaces of their own with data directories
// on file systems of their own, and on them services and functions ([mix_linux_test.go]) that are called all
// the time ([load_linux_test.go]) while others are deployed and stopped ([churn_linux_test.go]). The faults are
// in one table ([fault_linux_test.go]), and so are the invariants ([invariant_linux_test.go]).
//
// What goes wrong follows from a seed, which every run prints:
//
//	go test ./internal/faults -run 'TestFaults$' -args -seed 42 -faults 500
//
// The tests need root. They take place in a network that has no way out, and change no clock: a node whose clock
// jumps is the only one to see it.
package faults
