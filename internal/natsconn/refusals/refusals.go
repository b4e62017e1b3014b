// Package refusals collects what a NATS server does not let the user of a connection publish and subscribe to.
//
// The server says so on its own account, some time after the use, and the connection remembers only what was said
// last: a [Watch] hears all of it. It makes no connections, and knows nothing of what the subjects are for.
package refusals

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// Watch hears what is refused to a connection. It is safe for concurrent use.
type Watch struct {
	nc    *nats.Conn
	next  nats.ErrHandler // who was told before, and still is
	first error           // what was said last before the Watch began, which it need not have heard
	news  chan struct{}   // holds one if something was heard since it was empty

	mu    sync.Mutex
	heard []error
}

// On makes a Watch, which is the error handler of the connection until it is stopped, and hands on all errors to the
// handler that is there. The caller stops it.
func On(nc *nats.Conn) *Watch {
	w := &Watch{nc: nc, next: nc.ErrorHandler(), news: make(chan struct{}, 1)}
	nc.SetErrorHandler(w.report)
	w.first = nc.LastError()
	return w
}

// Stop gives the connection its handler back.
func (w *Watch) Stop() { w.nc.SetErrorHandler(w.next) }

func (w *Watch) report(nc *nats.Conn, sub *nats.Subscription, err error) {
	w.mu.Lock()
	w.heard = append(w.heard, err)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default: // who waits will look anyhow
	}
	if w.next != nil {
		w.next(nc, sub, err)
	}
}

// Flush returns once the Watch has heard what is refused of all that was published and subscribed to before: with an
// error if ctx, which must have a deadline, ends earlier, or the connection does. One call at a time.
func (w *Watch) Flush(ctx context.Context) error {
	if err := w.nc.FlushWithContext(ctx); err != nil {
		return err
	}
	// The refusals were read before the answer, but handlers are called from another goroutine, one after the other.
	last := w.nc.LastError()
	for last != nil && !w.has(last) {
		select {
		case <-w.news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (w *Watch) has(last error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Is(w.first, last) || slices.ContainsFunc(w.heard, func(err error) bool { return errors.Is(err, last) })
}

// Publish returns the error by which the server refused to have a subject published to, which wraps
// [nats.ErrPermissionViolation]; nil if it is not known to have.
func (w *Watch) Publish(subject string) error { return w.find("Publish", subject) }

// Subscribe is Publish for a subscription.
func (w *Watch) Subscribe(subject string) error { return w.find("Subscription", subject) }

func (w *Watch) find(use, subject string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range w.heard {
		if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), use+" to "+strconv.Quote(subject)) {
			return err
		}
	}
	return nil
}
