package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/firecrackertest/openapi"
)

const (
	notStarted = fcapi.NotStarted
	running    = fcapi.Running
	paused     = fcapi.Paused
)

var defaultMachine = fcapi.Machine{VCPUs: 1, MemoryMiB: 128}

// maxBody is the longest body that is taken.
const maxBody = 51200

// process is what a Firecracker process is and has been told.
type process struct {
	id    string
	spec  *openapi.Spec
	start chan task
	ended chan error // how the machine has ended

	mu         sync.Mutex // one request after the other
	state      fcapi.State
	configured bool // something was set that keeps a snapshot from being loaded
	machine    fcapi.Machine
	boot       *fcapi.BootSource
	drives     []fcapi.Drive
	networks   []fcapi.NetworkInterface
	taps       map[string]*os.File // by id of the network
	vsock      *vsock
	entropy    bool
	metrics    *fcapi.Metrics
	serial     fcapi.Serial
	metadata   map[string]any
	qemu       *qemu
}

// A route is what is done for one kind of request.
type route struct {
	before, after bool // it may come before the machine was started, and after
	do            func(p *process, id string, body []byte) (any, error)
}

var routes = map[string]route{
	"GET /":                   {true, true, (*process).describe},
	"GET /version":            {true, true, (*process).getVersion},
	"GET /machine-config":     {true, true, func(p *process, _ string, _ []byte) (any, error) { return p.machine, nil }},
	"GET /vm/config":          {true, true, (*process).exportConfig},
	"GET /mmds":               {true, true, func(p *process, _ string, _ []byte) (any, error) { return p.metadata, nil }},
	"PUT /mmds":               {true, true, (*process).putMetadata},
	"PATCH /mmds":             {true, true, (*process).patchMetadata},
	"PUT /mmds/config":        {true, false, decoded((*process).setMMDSConfig)},
	"PUT /machine-config":     {true, false, decoded((*process).setMachine)},
	"PUT /boot-source":        {true, false, decoded((*process).setBootSource)},
	"PUT /drives":             {true, false, decodedWithID(fcapi.Drive{}, driveID, (*process).setDrive)},
	"PATCH /drives":           {false, true, decodedWithID(fcapi.DriveUpdate{}, driveUpdateID, (*process).updateDrive)},
	"PUT /network-interfaces": {true, false, decodedWithID(fcapi.NetworkInterface{}, networkID, (*process).setNetwork)},
	"PATCH /network-interfaces": {false, true, decodedWithID(fcapi.NetworkUpdate{}, networkUpdateID,
		(*process).updateNetwork)},
	"PUT /vsock":           {true, false, decoded((*process).setVsock)},
	"PUT /entropy":         {true, false, decoded((*process).setEntropy)},
	"PUT /logger":          {true, false, decoded(func(*process, fcapi.Logger) error { return nil })},
	"PUT /metrics":         {true, false, decoded((*process).setMetrics)},
	"PUT /serial":          {true, false, decoded((*process).setSerial)},
	"PUT /snapshot/load":   {true, false, decoded((*process).loadSnapshot)},
	"PUT /snapshot/create": {false, true, decoded((*process).createSnapshot)},
	"PATCH /vm":            {false, true, decoded((*process).setState)},
	"PUT /actions":         {true, true, decoded((*process).act)},
}

func driveID(d fcapi.Drive) string                 { return d.ID }
func driveUpdateID(d fcapi.DriveUpdate) string     { return d.ID }
func networkID(n fcapi.NetworkInterface) string    { return n.ID }
func networkUpdateID(n fcapi.NetworkUpdate) string { return n.ID }

// decoded is a handler of a body.
func decoded[T any](do func(*process, T) error) func(*process, string, []byte) (any, error) {
	return func(p *process, _ string, body []byte) (any, error) {
		var v T
		if err := decode(body, &v); err != nil {
			return nil, err
		}
		return nil, do(p, v)
	}
}

// decodedWithID is a handler of a body that says the id of the path once more.
func decodedWithID[T any](_ T, idOf func(T) string, do func(*process, T) error) func(*process, string, []byte) (any, error) {
	return func(p *process, id string, body []byte) (any, error) {
		var v T
		if err := decode(body, &v); err != nil {
			return nil, err
		}
		if got := idOf(v); got != id {
			return nil, fmt.Errorf("the path is for id %q, and the body for %q", id, got)
		}
		return nil, do(p, v)
	}
}

func decode(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// ServeHTTP answers as Firecracker does.
func (p *process) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var answer any
	if err == nil {
		answer, err = p.handle(r.Method, r.URL.Path, body)
	}
	var last fatalError
	if errors.As(err, &last) {
		defer func() {
			_ = http.NewResponseController(w).Flush() // before the process ends
			p.end(err)
		}()
	}
	w.Header().Set("Server", "Firecracker API")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"fault_message": err.Error()}
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_ = json.NewEncoder(w).Encode(answer) // to whoever is still there
}

func (p *process) handle(method, path string, body []byte) (any, error) {
	if err := p.spec.Request(method, path, body); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key, id := method+" "+path, ""
	if parts := strings.Split(path, "/"); len(parts) == 3 && (parts[1] == "drives" || parts[1] == "network-interfaces") {
		key, id = method+" /"+parts[1], parts[2]
	}
	r, ok := routes[key]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s %s is not played here", method, path)
	case p.state == notStarted && !r.before:
		return nil, errBefore
	case p.state != notStarted && !r.after:
		return nil, errAfter
	}
	return r.do(p, id, body)
}

var (
	errBefore = fmt.Errorf("the operation is not supported before the microVM is started")
	errAfter  = fmt.Errorf("the operation is not supported after the microVM was started")
)

// A fatalError is answered, and ends the process.
type fatalError struct{ error }

func (e fatalError) Unwrap() error { return e.error }

// end ends the process with the first error that there is.
func (p *process) end(err error) {
	select {
	case p.ended <- err:
	default:
	}
}

func (p *process) describe(string, []byte) (any, error) {
	return fcapi.Instance{App: "Firecracker", ID: p.id, State: p.state, Version: version}, nil
}

func (p *process) getVersion(string, []byte) (any, error) {
	return map[string]string{"firecracker_version": version}, nil
}

func (p *process) exportConfig(string, []byte) (any, error) {
	c := map[string]any{"machine-config": p.machine, "drives": p.drives, "network-interfaces": p.networks}
	if p.boot != nil {
		c["boot-source"] = p.boot
	}
	if p.vsock != nil {
		c["vsock"] = fcapi.Vsock{CID: p.vsock.cid, Path: p.vsock.path}
	}
	return c, nil
}

// act is for all actions, of which each has its own time.
func (p *process) act(a struct {
	Action string `json:"action_type"`
},
) error {
	switch {
	case a.Action == "InstanceStart" && p.state != notStarted:
		return errAfter
	case a.Action == "InstanceStart":
		return p.startMachine()
	case p.state == notStarted:
		return errBefore
	}
	return nil // there are no metrics, and no keyboard
}

func (p *process) setState(s struct {
	State string `json:"state"`
},
) error {
	command, to := "cont", running
	if s.State == "Paused" {
		command, to = "stop", paused
	}
	if p.state == to {
		return nil
	}
	if err := p.qemu.monitor.run(command, nil); err != nil {
		return err
	}
	p.state = to
	return nil
}
