// Command separatedfunction is the WebAssembly function that does what testdata/separated.js does.
package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nex-engine/nex/guest"
)

// errNothing means that there was nothing to be had.
var errNothing = errors.New("there is nothing")

// timeout bounds the wait for an answer that does not come.
const timeout = 2 * time.Second

func main() { guest.Run(attack) }

func attack(c guest.Call) (guest.Result, error) {
	if err := prove(); err != nil {
		return guest.Result{}, err
	}
	var out strings.Builder
	attempts := strings.Split(string(c.Payload), "\n")
	for _, attempt := range attempts {
		verb, encoded, _ := strings.Cut(attempt, " ")
		what, err := url.PathUnescape(encoded)
		if err != nil {
			return guest.Result{}, err
		}
		if err := do(verb, what); err != nil {
			fmt.Fprintf(&out, "refused: %s: %v\n", attempt, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Fprintf(&out, "ESCAPED: %s\n", attempt)
		}
	}
	fmt.Fprintf(&out, "done: %d\n", len(attempts))
	return guest.Result{Payload: []byte(out.String())}, nil
}

// prove does what it may do.
func prove() error {
	if _, err := guest.Messaging.Request(guest.Message{Subject: "separation.echo"}, timeout); err != nil {
		return err
	}
	if err := guest.KV.Set("own", []byte("mine")); err != nil {
		return err
	}
	if _, err := guest.KV.Get("own"); err != nil {
		return err
	}
	if _, err := guest.ObjectStore.Put("own", []byte("mine")); err != nil {
		return err
	}
	_, _, err := guest.ObjectStore.Get("own")
	return err
}

func do(verb, what string) error {
	m := guest.Message{Subject: what, Payload: []byte("{}")}
	switch verb {
	case "publish":
		return guest.Messaging.Publish(m)
	case "request":
		_, err := guest.Messaging.Request(m, timeout)
		return err
	case "many":
		answers, err := guest.Messaging.RequestMany(m, guest.ManyOptions{Timeout: timeout, MaxMessages: 1})
		if err == nil && len(answers) == 0 {
			err = errNothing
		}
		return err
	case "trace":
		m.Subject, m.Header = "separation.traced", guest.Header{what: {"$NEX.events.default.forged"}}
		return guest.Messaging.Publish(m)
	case "read":
		_, err := guest.KV.Get(what)
		return err
	case "write":
		return guest.KV.Set(what, []byte("intruder"))
	case "fetch":
		_, _, err := guest.ObjectStore.Get(what)
		return err
	case "http":
		_, err := guest.HTTP.Do(guest.HTTPRequest{URL: what, Timeout: timeout})
		return err
	}
	panic("no verb " + verb)
}
