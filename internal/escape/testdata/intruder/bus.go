//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// The witness of the tests listens in the control account. In all accounts it tells which marks it has seen
// there, on heardSubject, and each time that it has heard a round of what goes on there, on tickSubject.
const (
	heardSubject = "separation.heard."
	tickSubject  = "separation.tick"
	markPrefix   = "mark-"
	// busTimeout bounds what is answered at once, by a no at least, and a round.
	busTimeout = 20 * time.Second
	// nobodyTimeout is for requests of somebody who has no business: mostly there is nobody to answer, but a
	// node listens for all services and answers for its own.
	nobodyTimeout = time.Second
)

// rounds are how many ticks are waited for: within two lies a whole round. What the server says of connections
// comes by itself, some time.
const (
	rounds       = 2
	systemRounds = 30
	memberRounds = 1000
)

// bus makes attempts at what is not of its own account on the NATS server at a URL. Credentials are a seed, or
// user:password, or "-" for none. An attempt is a verb and a subject:
//
//	subscribe, queue  hear what goes on in the control account, by oneself or in a queue group
//	stream            likewise, by a stream of the subject
//	publish           be heard by the witness
//	request           be answered
//	trace             have the server report to the subject, by a header
//	answer            have JetStream answer to the subject
//	deliver           have a consumer deliver to the subject
//	republish         have a stream republish to the subject
//	call              have a function answer to the subject
//	list              have a node answer for its functions to the subject
func bus(r *report, args []string) { attemptAll(r, args, openBus(args[0], args[1])) }

// member does the same for somebody who may. What takes its time is then waited for.
func member(r *report, args []string) {
	b := openBus(args[0], args[1])
	b.patience, b.mostRounds = busTimeout, memberRounds
	attemptAll(r, args, b)
}

func attemptAll(r *report, args []string, b *busClient) {
	defer b.nc.Close()
	attempts := args[2:]
	checks := make([]func() error, len(attempts))
	listens := map[string]bool{"subscribe": true, "queue": true, "stream": true}
	for _, listening := range []bool{true, false} { // first, since then it would hear itself
		for i, a := range attempts {
			verb, subject, _ := strings.Cut(a, " ")
			if listens[verb] == listening {
				checks[i] = b.begin(verb, subject)
			}
		}
		b.flush()
		if listening {
			b.connectOnceMore(args[0], args[1])
		}
		b.await()
		for i, a := range attempts {
			if verb, _, _ := strings.Cut(a, " "); listens[verb] == listening {
				r.attempt(a, b.outcome(checks[i]))
			}
		}
		for _, clean := range b.cleanups {
			clean()
		}
		b.cleanups = nil
	}
}

// outcome is that of an attempt, looked for again after further rounds if that is worth it.
func (b *busClient) outcome(check func() error) error {
	err := check()
	for i := 0; i < b.mostRounds && err != nil; i++ {
		must(second(b.ticks.NextMsg(busTimeout)))
		err = check()
	}
	return err
}

// begin begins an attempt, and returns what says how it has ended.
func (b *busClient) begin(verb, subject string) func() error {
	mark := nuid.Next()
	switch verb {
	case "subscribe", "queue":
		return b.listen(verb, subject)
	case "stream":
		return b.stream(subject)
	case "publish":
		b.publish(subject, "", mark)
		return b.wasHeard(mark)
	case "request":
		return b.request(subject)
	case "trace":
		m := b.message("separation.traced", mark)
		m.Header.Set("Nats-Trace-Dest", subject)
		must(b.nc.PublishMsg(m))
		return b.wasHeard(mark)
	case "answer":
		b.publish("$JS.API.INFO", subject+"."+markPrefix+mark, mark)
		return b.wasHeard(mark)
	case "deliver":
		return b.deliver(subject, mark)
	case "republish":
		return b.republish(subject+"."+markPrefix+mark, mark)
	case "call":
		return b.lend("fn.separation", subject)
	case "list":
		return b.lend("$SRV.PING.separation", subject)
	}
	panic("no verb " + verb)
}

func (b *busClient) message(subject, mark string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Header.Set("Separation", markPrefix+mark)
	m.Data = []byte("{}")
	return m
}

func (b *busClient) publish(subject, reply, mark string) {
	m := b.message(subject, mark)
	m.Reply = reply
	must(b.nc.PublishMsg(m))
}

// wasHeard says whether the witness has.
func (b *busClient) wasHeard(mark string) func() error {
	return func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.heard[mark] {
			return nil
		}
		return errors.New("it does not get there")
	}
}

// ofControl tells what goes on in the control account, or the server says in the system account, from
// everything else.
func ofControl(m *nats.Msg) bool {
	return bytes.Contains(m.Data, []byte("of the control account")) || bytes.Contains(m.Data, []byte("io.nats.nex.v1.")) ||
		strings.HasPrefix(m.Subject, "$SYS.")
}

func (b *busClient) listen(verb, subject string) func() error {
	if strings.HasPrefix(subject, "$SYS") {
		b.rounds = systemRounds
	}
	var sub *nats.Subscription
	if verb == "queue" {
		sub = valueOf(b.nc.QueueSubscribeSync(subject, "q-"+nuid.Next())) // a message is for one in a group
	} else {
		sub = valueOf(b.nc.SubscribeSync(subject))
	}
	b.cleanups = append(b.cleanups, func() { _ = sub.Unsubscribe() })
	return func() error {
		for n, _, _ := sub.Pending(); n > 0; n-- {
			if m, err := sub.NextMsg(busTimeout); err == nil && ofControl(m) {
				return nil
			}
		}
		if denied := b.denied(subject); denied != nil {
			return denied
		}
		return errors.New("nothing is heard")
	}
}

// denied is what the server has said about a subject.
func (b *busClient) denied(subject string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, refusal := range b.refused {
		if strings.Contains(refusal, `"`+subject+`"`) {
			return errors.New(refusal)
		}
	}
	return nil
}

// request succeeds with whatever answer, but for JetStream's that say no.
func (b *busClient) request(subject string) func() error {
	body := "{}"
	switch {
	case strings.HasPrefix(subject, "$NEX.DEPLOY."), strings.HasPrefix(subject, "$NEX.STOP."), strings.HasPrefix(subject, "$NEX.LAMEDUCK."):
		body = "[" // it is to be refused by the node, which is an answer
	case strings.Contains(subject, ".MSG.GET."):
		body = `{"last_by_subj":"$KV.secrets.token"}`
	}
	ended := make(chan error, 1)
	go func() {
		m, err := b.nc.Request(subject, []byte(body), b.patience)
		ended <- refusal(subject, m, err)
	}()
	return sync.OnceValue(func() error { return <-ended })
}

// refusal says why an answer is none.
func refusal(subject string, m *nats.Msg, err error) error {
	var answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
		Streams []string `json:"streams"`
	}
	switch {
	case err != nil:
		return err
	case m.Header.Get("Status") != "":
		return errors.New(m.Header.Get("Status") + " " + m.Header.Get("Description"))
	case strings.HasPrefix(subject, "$JS.API.") && json.Unmarshal(m.Data, &answer) == nil && answer.Error != nil:
		return errors.New(answer.Error.Description)
	case strings.HasSuffix(subject, ".STREAM.NAMES") && !strings.Contains(strings.Join(answer.Streams, " "), "secrets"):
		return fmt.Errorf("there are only %q", answer.Streams)
	}
	fmt.Printf("note: %s is answered: %.120q\n", subject, m.Data)
	return nil
}

// lend makes others publish where the own rights do not lead: what answers requests on asked is to answer on
// reply, where this client listens meanwhile.
func (b *busClient) lend(asked, reply string) func() error {
	sub := valueOf(b.nc.SubscribeSync(reply))
	b.flush()
	must(b.nc.PublishRequest(asked, reply, []byte("x")))
	// The next answer comes after that, and proves that there would have been one.
	must(second(b.nc.Request(asked, []byte("x"), busTimeout)))
	n, _, err := sub.Pending()
	must(err)
	must(sub.Unsubscribe())
	return func() error {
		if n == 0 {
			return errors.New("there is no answer there")
		}
		return nil
	}
}
