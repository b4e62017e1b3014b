// The function that the agent's tests run, in WebAssembly. The subject says what it does.
package main

import (
	"os"
	"slices"
	"strings"

	"github.com/nex-engine/nex/guest"
)

func main() { guest.Run(handle) }

func handle(c guest.Call) (guest.Result, error) {
	switch c.Subject {
	case "env":
		env := os.Environ()
		slices.Sort(env)
		return guest.Result{Payload: []byte(strings.Join(env, "\n"))}, nil
	case "fail":
		return guest.Result{}, guest.Fail(404, "no such thing")
	case "endless":
		for n := 0; ; n++ {
			turns = n
		}
	case "kv":
		value, err := guest.KV.Get("key")
		return guest.Result{Payload: value}, err
	}
	return guest.Result{Payload: c.Payload, Header: c.Header}, nil
}

var turns int
