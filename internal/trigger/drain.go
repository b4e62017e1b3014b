package trigger

import "context"

// Detach lets no more messages through, and waits until those that have arrived are answered, or ctx
// ends. It does nothing when no agent is attached.
func (f *Function) Detach(ctx context.Context) {
	f.mu.Lock()
	a := f.attached
	f.mu.Unlock()
	if a == nil {
		return
	}
	a.leave()
	a.wait(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attached == a {
		f.attached = nil
	}
}

// Drain lets no more messages through, for good, and waits until those that have arrived are answered,
// or ctx ends. The NATS server gives the messages of the queue group to its other members from then on.
// The agent stays attached until Detach, which waits for the same calls.
func (f *Function) Drain(ctx context.Context) {
	f.mu.Lock()
	f.drained = true
	a := f.attached
	f.mu.Unlock()
	if a != nil {
		a.leave()
		a.wait(ctx)
	}
}

func (f *Function) isDrained() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.drained
}

// leave gives the subscriptions back; what has arrived is still handled.
func (a *attachment) leave() {
	a.leaves.Do(func() {
		a.f.cfg.Services.remove(a.f)
		if !a.f.cfg.Services.conn.IsConnected() {
			a.unsubscribe() // draining would wait for the server
		} else {
			a.drain()
		}
	})
}

// wait returns when all that has arrived is answered, or ctx ends.
func (a *attachment) wait(ctx context.Context) {
	select {
	case <-a.ended:
	case <-ctx.Done():
		return
	}
	select {
	case <-a.finished():
	case <-ctx.Done():
	}
}

// unsubscribe forgets what has arrived and is not handled yet; who sent it is beyond reach.
func (a *attachment) unsubscribe() {
	for _, sub := range a.subs {
		_ = sub.Unsubscribe() // it fails when the connection is closed, and with it the subscription
	}
}

// drain unsubscribes; what has arrived is still handled.
func (a *attachment) drain() {
	for _, sub := range a.subs {
		if err := sub.Drain(); err != nil { // the connection is closed, and with it the subscription
			a.f.cfg.Logger.Debug("trigger subject not drained", "subject", sub.Subject, "error", err)
		}
	}
}

// finished returns a channel that is closed when no call is under way.
func (a *attachment) finished() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.idle == nil {
		a.idle = make(chan struct{})
		if a.calls == 0 {
			close(a.idle)
		}
	}
	return a.idle
}
