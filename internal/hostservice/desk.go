package hostservice

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/semaphore"

	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/natsconn"
)

// DeskConfig is what a workload brings. All fields but JetStream are required.
type DeskConfig struct {
	// NATS is the workload's connection for host services. It stays the caller's, who closes it after
	// the desk.
	NATS *nats.Conn
	// JetStream is where the buckets are on that connection; the zero value is the connection's own.
	JetStream natsconn.JetStreamPlace
	// Namespace, Workload and ID are those of the workload; Workload is its name.
	Namespace, Workload, ID string
	// MaxConcurrency bounds how many requests are under way at one time, at least 1.
	MaxConcurrency int
}

// Desk answers the requests of one workload. It is safe for concurrent use.
type Desk struct {
	services  *Services
	workload  string // as sentences name it
	kv        *store
	objects   *store
	messaging messenger

	ctx    context.Context // ends with the desk
	cancel context.CancelFunc
	slots  chan struct{}       // holds one for each request under way
	bytes  *semaphore.Weighted // of maxBytes
	web    connections

	mu     sync.Mutex // guards closed, and adding to group against its Wait
	closed bool
	group  sync.WaitGroup
}

// Desk makes the desk of a workload. The caller closes it.
func (s *Services) Desk(cfg DeskConfig) (*Desk, error) {
	switch {
	case cfg.NATS == nil:
		return nil, errors.New("host services need a NATS connection")
	case cfg.MaxConcurrency < 1:
		return nil, fmt.Errorf("host services need a concurrency of at least 1, got %d", cfg.MaxConcurrency)
	}
	js, err := cfg.JetStream.Open(cfg.NATS)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	d := &Desk{
		services: s,
		workload: cfg.Namespace + "/" + cfg.Workload,
		slots:    make(chan struct{}, cfg.MaxConcurrency),
		bytes:    semaphore.NewWeighted(maxBytes),
	}
	log := s.log.With("namespace", cfg.Namespace, "workload", cfg.Workload, "id", cfg.ID)
	if d.kv, err = newStore(kvKind, s.config.KV.Config, js, cfg, log); err != nil {
		return nil, err
	}
	if d.objects, err = newStore(objectKind, s.config.ObjectStore.Config, js, cfg, log); err != nil {
		return nil, err
	}
	d.messaging = newMessenger(cfg.NATS, s.denied, s.config.Messaging.Config)
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

// Close stops the requests that are under way and waits for them. It may be called again.
func (d *Desk) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.group.Wait()
}

// Handle performs a request. It returns when ctx ends at the latest, a moment before its deadline if
// that can be, so that the function has time to look at the answer. When it returns because ctx has
// ended, what it was given may still be read until the desk is closed.
//
// Of more than MaxConcurrency requests at one time, the others are refused at once with code busy. The
// error is a [*hostapi.Error].
func (d *Desk) Handle(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
	perform, err := d.find(r)
	if err != nil {
		return hostapi.Response{}, err
	}
	if err := d.begin(); err != nil {
		return hostapi.Response{}, err
	}
	work, cancel := ahead(ctx)
	stop := context.AfterFunc(d.ctx, cancel)

	done := make(chan result, 1)
	// Apart from the caller, since NATS can hold up a writer for longer than any ctx says.
	go func() {
		defer d.end()
		defer cancel()
		defer stop()
		weight := d.weigh(r)
		if d.bytes.Acquire(work, weight) != nil {
			done <- result{err: ended(work, r.Service+" "+r.Method)}
			return
		}
		defer d.bytes.Release(weight)
		var res result
		if res.response, res.err = perform(work, r); res.err == nil {
			res.err = checkSize("the answer", res.response.Meta, res.response.Body)
		}
		done <- res
	}()
	select {
	case res := <-done:
		return res.unpack()
	case <-ctx.Done():
	}
	select {
	case res := <-done: // both at one time
		return res.unpack()
	default:
		return hostapi.Response{}, ended(ctx, r.Service+" "+r.Method)
	}
}

type result struct {
	response hostapi.Response
	err      *hostapi.Error
}

func (r result) unpack() (hostapi.Response, error) {
	if r.err != nil {
		return hostapi.Response{}, r.err
	}
	return r.response, nil
}

// A method performs a request. It returns soon after ctx has ended.
type method func(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error)

// find returns what performs a request, if it is one that may be performed.
func (d *Desk) find(r hostapi.Request) (method, error) {
	perform := d.lookUp(r)
	if perform == nil {
		methods, ok := hostapi.Methods[r.Service]
		if !ok {
			return nil, hostapi.Errorf(hostapi.CodeInvalid, "there is no host service %q: there are http, kv, messaging and objectstore", clip(r.Service))
		}
		return nil, hostapi.Errorf(hostapi.CodeInvalid, "the host service %s has no method %q: it has %s", r.Service, clip(r.Method), strings.Join(methods, ", "))
	}
	if !d.services.enabled(r.Service) {
		return nil, hostapi.Errorf(hostapi.CodeDenied, "the host service %s is switched off on this node: its operator can set host_services.services.%s.enabled to true", r.Service, r.Service)
	}
	if err := checkSize("the request", r.Meta, r.Body); err != nil {
		return nil, err
	}
	return perform, nil
}

// lookUp returns what performs a request, or nil if there is no such method.
func (d *Desk) lookUp(r hostapi.Request) method {
	switch r.Service + " " + r.Method {
	case "kv get":
		return d.kvGet
	case "kv set":
		return d.kvSet
	case "kv delete":
		return d.kvDelete
	case "kv keys":
		return d.kvKeys
	case "objectstore get":
		return d.objectGet
	case "objectstore put":
		return d.objectPut
	case "objectstore delete":
		return d.objectDelete
	case "objectstore list":
		return d.objectList
	case "messaging publish":
		return d.messaging.publish
	case "messaging request":
		return d.messaging.request
	case "messaging request_many":
		return d.messaging.requestMany
	case "http request":
		return func(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
			return d.services.caller.request(d.web.with(ctx), r)
		}
	}
	return nil
}

// begin takes a slot; end gives it back.
func (d *Desk) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return hostapi.Errorf(hostapi.CodeUnavailable, "workload %s is being stopped", d.workload)
	}
	select {
	case d.slots <- struct{}{}:
		d.group.Add(1)
		return nil
	default:
		return hostapi.Errorf(hostapi.CodeBusy, "workload %s has %d host service requests under way, as many as it may have: wait for one of them", d.workload, cap(d.slots))
	}
}

func (d *Desk) end() {
	<-d.slots
	d.group.Done()
}

// ahead returns a ctx that ends a little before ctx does: an answer is of use only to who still has
// time to look at it.
func ahead(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Until(deadline)/10, 100*time.Millisecond)))
}

// checkSize refuses what the link between node and agent cannot carry.
func checkSize(what string, meta, body []byte) *hostapi.Error {
	if n := len(meta) + len(body); n > hostapi.MaxMessageBytes {
		return hostapi.Errorf(hostapi.CodeTooLarge, "%s has %d bytes, more than %d", what, n, hostapi.MaxMessageBytes)
	}
	return nil
}
