// Package fcapi is a client of the API that a Firecracker process serves on a unix socket.
//
// A process has one machine. Before that runs, what it is made of is set, in any order but for the interfaces of
// the metadata service, which must be there before; then [Client.Start] starts it. Or nothing is set but logger
// and metrics, and [Client.LoadSnapshot] makes it from files. From then on machine, drives, interfaces and vsock
// cannot be set any more, but for what the Update methods change, and the machine can be paused, resumed, and
// written to files.
//
// Paths are those that the Firecracker process sees, from its root and its working directory.
//
// What is optional is left out of a request when it has its zero value. Names that a version of Firecracker does
// not know are refused by it: comments say what version 1.12 does not know.
package fcapi
