// Command wasm-reactor-go is a function for Nex that counts in its key-value bucket how often it has
// been called on each subject. A message "reset" on a subject begins anew.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o counter.wasm ./examples/wasm-reactor-go
package main

import (
	"fmt"
	"log/slog"
	"strconv"

	"github.com/nex-engine/nex/guest"
)

func init() { guest.Handle(count) }

func main() {} // is not called: the function is a reactor

func count(c guest.Call) (guest.Result, error) {
	calls := 0
	switch value, err := guest.KV.Get(c.Subject); {
	case string(c.Payload) == "reset" || guest.IsNotFound(err):
	case err != nil:
		return guest.Result{}, err
	default:
		if calls, err = strconv.Atoi(string(value)); err != nil {
			return guest.Result{}, guest.Fail(409, "the key %s is not a count", c.Subject)
		}
	}
	calls++
	if err := guest.KV.Set(c.Subject, []byte(strconv.Itoa(calls))); err != nil {
		return guest.Result{}, err
	}
	guest.Log(slog.LevelInfo, fmt.Sprintf("call %d on %s", calls, c.Subject))
	return guest.Result{
		Payload: []byte(strconv.Itoa(calls)),
		Header:  guest.Header{"Count-Of": {c.Subject}},
	}, nil
}
