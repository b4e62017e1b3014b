package fcapi_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/firecrackertest/openapi"
)

var published = flag.String("openapi", "", "Firecracker's API description as JSON, instead of the one in package openapi")

// description is what the client is held to.
func description(t *testing.T) *openapi.Spec {
	if *published == "" {
		return openapi.Firecracker()
	}
	text, err := os.ReadFile(*published)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openapi.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sent is a request as a server saw it.
type sent struct {
	method, path string
	body         []byte
}

// record returns a client of a server that has an empty object for everybody, and what it has been asked.
func record(t *testing.T) (*fcapi.Client, *[]sent) {
	t.Helper()
	requests := new([]sent)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*requests = append(*requests, sent{r.Method, r.URL.EscapedPath(), body})
		if (r.Header.Get("Content-Type") == "application/json") != (len(body) > 0) {
			t.Errorf("%s %s has content type %q with %d bytes", r.Method, r.URL, r.Header.Get("Content-Type"), len(body))
		}
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "{}")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(s.Close)
	address := s.Listener.Addr()
	c := fcapi.New(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, address.Network(), address.String())
	})
	t.Cleanup(c.Close)
	return c, requests
}

// requests calls every method of the client, in the order of their names.
var requests = map[string]func(ctx context.Context, c *fcapi.Client, full bool) error{
	"CreateSnapshot": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.CreateSnapshot(ctx, value(full, fcapi.SnapshotFiles{State: "state", Memory: "memory"}, fcapi.SnapshotFiles{State: "state", Memory: "memory", Type: "Diff"}))
	},
	"FlushMetrics": func(ctx context.Context, c *fcapi.Client, _ bool) error { return c.FlushMetrics(ctx) },
	"Instance":     func(ctx context.Context, c *fcapi.Client, _ bool) error { _, err := c.Instance(ctx); return err },
	"LoadSnapshot": func(ctx context.Context, c *fcapi.Client, full bool) error {
		memory := fcapi.MemoryBackend{Type: "File", Path: "memory"}
		return c.LoadSnapshot(ctx, value(full, fcapi.Snapshot{State: "state", Memory: memory}, fcapi.Snapshot{
			State: "state", Memory: memory, Resume: true, TrackDirtyPages: true, ClockRealtime: true,
			Network: []fcapi.NetworkOverride{{ID: "eth0", Tap: "tap1"}}, Vsock: &fcapi.VsockOverride{Path: "v.sock"},
		}))
	},
	"MMDS":    func(ctx context.Context, c *fcapi.Client, _ bool) error { _, err := c.MMDS(ctx); return err },
	"Machine": func(ctx context.Context, c *fcapi.Client, _ bool) error { _, err := c.Machine(ctx); return err },
	"Pause":   func(ctx context.Context, c *fcapi.Client, _ bool) error { return c.Pause(ctx) },
	"Resume":  func(ctx context.Context, c *fcapi.Client, _ bool) error { return c.Resume(ctx) },
	"SendCtrlAltDel": func(ctx context.Context, c *fcapi.Client, _ bool) error {
		return c.SendCtrlAltDel(ctx)
	},
	"SetBootSource": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.SetBootSource(ctx, value(full, fcapi.BootSource{Kernel: "kernel"}, fcapi.BootSource{Kernel: "kernel", Initrd: "initrd", Args: "quiet"}))
	},
	"SetDrive": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.SetDrive(ctx, value(full, fcapi.Drive{ID: "vda", Path: "disk"}, fcapi.Drive{
			ID: "vda", Path: "disk", Root: true, ReadOnly: true, PartUUID: "0eaa91a0-01", Cache: "Writeback", Engine: "Async", Rates: limiter(),
		}))
	},
	"SetEntropy": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.SetEntropy(ctx, value(full, fcapi.Entropy{}, fcapi.Entropy{Rates: limiter()}))
	},
	"SetLogger": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.SetLogger(ctx, value(full, fcapi.Logger{}, fcapi.Logger{Path: "log", Level: "Warning", ShowLevel: true, ShowOrigin: true, Module: "api_server"}))
	},
	"SetMMDS": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.SetMMDS(ctx, value(full, json.RawMessage(`{}`), json.RawMessage(`{"a":{"b":[1]}}`)))
	},
	"SetMMDSConfig": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.SetMMDSConfig(ctx, value(full, fcapi.MMDSConfig{Interfaces: []string{"eth0"}}, fcapi.MMDSConfig{
			Interfaces: []string{"eth0"}, Version: "V2", Address: "169.254.170.2", IMDSCompatible: true,
		}))
	},
	"SetMachine": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.SetMachine(ctx, value(full, fcapi.Machine{VCPUs: 1, MemoryMiB: 128}, fcapi.Machine{
			VCPUs: 32, MemoryMiB: 128, SMT: true, TrackDirtyPages: true, HugePages: "2M", CPUTemplate: "T2",
		}))
	},
	"SetMetrics": func(ctx context.Context, c *fcapi.Client, _ bool) error {
		return c.SetMetrics(ctx, fcapi.Metrics{Path: "metrics"})
	},
	"SetNetworkInterface": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.SetNetworkInterface(ctx, value(full, fcapi.NetworkInterface{ID: "eth0", Tap: "tap0"}, fcapi.NetworkInterface{
			ID: "eth0", Tap: "tap0", MAC: "02:00:00:00:00:01", MTU: 1400, Received: limiter(), Sent: limiter(),
		}))
	},
	"SetSerial": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.SetSerial(ctx, value(full, fcapi.Serial{}, fcapi.Serial{Path: "serial", Rates: limiter().Bandwidth}))
	},
	"SetVsock": func(ctx context.Context, c *fcapi.Client, _ bool) error {
		return c.SetVsock(ctx, fcapi.Vsock{CID: 3, Path: "v.sock"})
	},
	"Start": func(ctx context.Context, c *fcapi.Client, _ bool) error { return c.Start(ctx) },
	"UpdateDrive": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.UpdateDrive(ctx, value(full, fcapi.DriveUpdate{ID: "vda"}, fcapi.DriveUpdate{ID: "vda", Path: "disk", Rates: limiter()}))
	},
	"UpdateMMDS": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.UpdateMMDS(ctx, value(full, json.RawMessage(`{}`), json.RawMessage(`{"a":null}`)))
	},
	"UpdateNetworkInterface": func(ctx context.Context, c *fcapi.Client, full bool) error {
		return c.UpdateNetworkInterface(ctx, value(full, fcapi.NetworkUpdate{ID: "eth0"}, fcapi.NetworkUpdate{ID: "eth0", Received: limiter(), Sent: limiter()}))
	},
	"Version": func(ctx context.Context, c *fcapi.Client, _ bool) error { _, err := c.Version(ctx); return err },
}

func limiter() *fcapi.RateLimiter {
	b := &fcapi.TokenBucket{Size: 1 << 20, RefillMillis: 100, Burst: 1 << 21}
	return &fcapi.RateLimiter{Bandwidth: b, Operations: b}
}

// value is one of two, of which full has every field.
func value[T any](wantFull bool, least, full T) T {
	if !wantFull {
		return least
	}
	if field := empty(reflect.ValueOf(full), "value"); field != "" {
		panic(reflect.TypeFor[T]().String() + ": " + field + " is not set")
	}
	return full
}

// empty is a field somewhere in v that has its zero value.
func empty(v reflect.Value, at string) string {
	switch {
	case v.IsZero():
		return at
	case v.Kind() == reflect.Pointer:
		return empty(v.Elem(), at)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		return empty(v.Index(0), at)
	case v.Kind() == reflect.Struct:
		for n := range v.NumField() {
			if field := empty(v.Field(n), at+"."+v.Type().Field(n).Name); field != "" {
				return field
			}
		}
	}
	return ""
}

// Whatever the client can send is as the API is described.
func TestRequestsAreAsDescribed(t *testing.T) {
	t.Parallel()
	spec := description(t)
	c := reflect.TypeFor[*fcapi.Client]()
	for n := range c.NumMethod() {
		name := c.Method(n).Name
		if name == "Close" {
			continue
		}
		call, ok := requests[name]
		if !ok {
			t.Errorf("nothing tests %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, full := range []bool{false, true} {
				client, requests := record(t)
				if err := call(t.Context(), client, full); err != nil {
					t.Fatal(err)
				}
				if len(*requests) != 1 {
					t.Fatalf("it made %d requests", len(*requests))
				}
				r := (*requests)[0]
				if err := spec.Request(r.method, r.path, r.body); err != nil {
					t.Errorf("%v\n%s", err, r.body)
				}
			}
		})
	}
}

// An id is one element of a path whatever is in it.
func TestIDsAreEscaped(t *testing.T) {
	t.Parallel()
	c, requests := record(t)
	if err := c.SetDrive(t.Context(), fcapi.Drive{ID: "../vsock?x", Path: "disk"}); err != nil {
		t.Fatal(err)
	}
	if got := (*requests)[0].path; strings.Count(got, "/") != 2 || !strings.HasPrefix(got, "/drives/..%2F") {
		t.Errorf("the path is %s", got)
	}
}
