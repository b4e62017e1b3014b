// Package guest is for functions in Go that Nex runs as WebAssembly: it hands them the calls and asks
// the node for services.
//
// A reactor is the fast kind of function. It is loaded once, and its handler is called for each
// message:
//
//	package main
//
//	import "github.com/nex-engine/nex/guest"
//
//	func init() {
//		guest.Handle(func(c guest.Call) (guest.Result, error) {
//			return guest.Result{Payload: c.Payload}, nil
//		})
//	}
//
//	func main() {} // is not called
//
// Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o function.wasm .
//
// A command is a program that runs once for each message, without anything left of the one before; to
// start it takes milliseconds. It finds the subject in os.Args[1] and the payload in os.Stdin, and what
// it writes to os.Stdout is the reply. Or it calls [Run] in main with the same kind of handler. It is built
// without -buildmode.
//
// The services are [KV], [ObjectStore], [Messaging] and [HTTP]. They wait for the answer; what the node
// refuses is an [*Error] with a [Code]. A function has nothing else: no files and no network.
//
// Outside of Nex, as on the developer's own machine, everything compiles, services fail with
// [ErrNotHosted], and handlers can be called by tests like any function.
package guest
