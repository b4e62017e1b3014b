// The guests of the conformance suite in Go, as a command and as a reactor. The variable NEX_GUEST says
// which of them it is.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/nex-engine/nex/guest"
)

func init() { guest.Handle(handle) }

func main() { guest.Run(handle) }

// well is the payload at which a guest does no harm.
const well = "well"

var calls int

func handle(c guest.Call) (guest.Result, error) {
	calls++
	switch name := os.Getenv("NEX_GUEST"); name {
	case "fail", "throw", "endless", "grab":
		if string(c.Payload) != well {
			return harm(name)
		}
		return text(well)
	case "host", "await_host", "host_error":
		return host(name, string(c.Payload))
	case "echo":
		return guest.Result{Payload: c.Payload}, nil
	case "subject":
		return text(c.Subject)
	case "headers":
		return guest.Result{Header: c.Header}, nil
	case "env":
		return text(os.Getenv("NEX_TEST"))
	case "large":
		n, err := strconv.Atoi(string(c.Payload))
		if err != nil {
			return guest.Result{}, err
		}
		return text(strings.Repeat("x", n))
	case "log":
		guest.Log(slog.LevelInfo, string(c.Payload))
		fmt.Fprintln(os.Stderr, string(c.Payload))
		return guest.Result{}, nil
	case "state":
		return text(strconv.Itoa(calls))
	default:
		return guest.Result{}, fmt.Errorf("there is no guest %q", name)
	}
}

func text(s string) (guest.Result, error) { return guest.Result{Payload: []byte(s)}, nil }

var kept [][]byte

func harm(name string) (guest.Result, error) {
	switch name {
	case "fail":
		return guest.Result{}, guest.Fail(404, "no such thing")
	case "throw":
		panic("thrown")
	case "endless":
		fmt.Fprintln(os.Stderr, "begun")
		for n := 0; ; n++ {
			calls = n
		}
	}
	for {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		kept = append(kept, b)
	}
}

func host(name, payload string) (guest.Result, error) {
	switch name {
	case "host":
		if err := guest.KV.Set("answer", []byte(payload)); err != nil {
			return guest.Result{}, err
		}
		payload = "answer"
	case "host_error":
		_, err := guest.KV.Get(payload)
		if e, ok := errors.AsType[*guest.Error](err); ok {
			return text(string(e.Code))
		}
		return guest.Result{}, fmt.Errorf("the error is %v", err)
	}
	value, err := guest.KV.Get(payload)
	return guest.Result{Payload: value}, err
}
