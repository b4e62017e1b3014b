package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// load says how much is asked.
type load struct {
	clients, size, rounds int
	calls                 int64
	turn                  time.Duration
	warm                  bool
}

// turn is what one subject did while it alone was asked.
type turn struct {
	Subject string        `json:"subject"`
	Calls   int           `json:"calls"`
	Took    time.Duration `json:"took"`
	P50     time.Duration `json:"p50"`
	P99     time.Duration `json:"p99"`
}

// patience bounds one call.
const patience = 10 * time.Second

// compare lets the subjects take turns, in every second round the other way around: what else the
// machine does then hits them all alike. The turns of a round stand together.
func (l load) compare(url string, subjects []string) ([]turn, error) {
	conns := make([]*nats.Conn, l.clients)
	for i := range conns {
		nc, err := nats.Connect(url)
		if err != nil {
			return nil, err
		}
		defer nc.Close()
		conns[i] = nc
	}
	if l.warm {
		warmUp := l
		warmUp.turn = max(l.turn, time.Second)
		for _, s := range subjects {
			if _, err := warmUp.one(conns, s); err != nil {
				return nil, err
			}
		}
	}
	order := slices.Clone(subjects)
	var turns []turn
	for range l.rounds {
		for _, s := range order {
			t, err := l.one(conns, s)
			if err != nil {
				return nil, err
			}
			turns = append(turns, t)
		}
		slices.Reverse(order)
	}
	return turns, nil
}

// one asks on one subject until the turn is over.
func (l load) one(conns []*nats.Conn, subject string) (turn, error) {
	payload := bytes.Repeat([]byte("x"), l.size)
	took := make([][]time.Duration, len(conns))
	errs := make([]error, len(conns))
	var left atomic.Int64
	left.Store(l.calls)
	began := time.Now()
	var group sync.WaitGroup
	for i, nc := range conns {
		group.Go(func() {
			for last := began; errs[i] == nil && last.Sub(began) < l.turn && left.Add(-1) >= 0; {
				errs[i] = call(nc, subject, payload)
				now := time.Now()
				took[i], last = append(took[i], now.Sub(last)), now
			}
		})
	}
	group.Wait()
	t := turn{Subject: subject, Took: time.Since(began)}
	all := slices.Concat(took...)
	slices.Sort(all)
	if t.Calls = len(all); t.Calls > 0 {
		t.P50, t.P99 = all[len(all)/2], all[len(all)*99/100]
	}
	return t, errors.Join(errs...)
}

// call asks once. An answer begins with the payload: some examples answer more.
func call(nc *nats.Conn, subject string, payload []byte) error {
	m, err := nc.Request(subject, payload, patience)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	if code := m.Header.Get(micro.ErrorCodeHeader); code != "" {
		return fmt.Errorf("%s: %s %s", subject, code, m.Data)
	}
	if !bytes.HasPrefix(m.Data, payload) {
		return fmt.Errorf("%s: wrong answer %.40q", subject, m.Data)
	}
	return nil
}
