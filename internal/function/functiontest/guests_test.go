package functiontest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/functiontest"
	"github.com/nex-engine/nex/internal/hostapi"
)

// guest is a function of the reference runtime. It ends when ctx does.
type guest func(ctx context.Context, r *reference, c function.Call) (function.Result, error)

var guests = map[string]guest{
	"echo": func(_ context.Context, _ *reference, c function.Call) (function.Result, error) {
		return function.Result{Payload: bytes.Clone(c.Payload)}, nil
	},
	"subject": func(_ context.Context, _ *reference, c function.Call) (function.Result, error) {
		return text(c.Subject), nil
	},
	"headers": func(_ context.Context, _ *reference, c function.Call) (function.Result, error) {
		return function.Result{Header: maps.Clone(c.Header)}, nil
	},
	"env": func(_ context.Context, r *reference, _ function.Call) (function.Result, error) {
		return text(r.env("NEX_TEST")), nil
	},
	"large": func(_ context.Context, _ *reference, c function.Call) (function.Result, error) {
		n, err := strconv.Atoi(string(c.Payload))
		return function.Result{Payload: make([]byte, n)}, err
	},
	"log": func(_ context.Context, r *reference, c function.Call) (function.Result, error) {
		for line := range strings.SplitSeq(string(c.Payload), "\n") {
			r.cfg.Log(function.LogLine{Level: slog.LevelInfo, Stream: nex.StreamStdout, Text: line})
			level := slog.LevelError
			if r.flaw == "prints at one level" {
				level = slog.LevelInfo
			}
			r.cfg.Log(function.LogLine{Level: level, Stream: nex.StreamStderr, Text: line})
		}
		return function.Result{}, nil
	},
	"fail": harm(func(context.Context, *reference, function.Call) (function.Result, error) {
		return function.Result{}, function.Errorf(function.StatusNotFound, "no such thing")
	}),
	"throw": harm(func(context.Context, *reference, function.Call) (function.Result, error) {
		panic("thrown")
	}),
	"endless": harm(func(ctx context.Context, r *reference, _ function.Call) (function.Result, error) {
		r.cfg.Log(function.LogLine{Level: slog.LevelInfo, Stream: nex.StreamStdout, Text: "begun"})
		<-ctx.Done()
		if r.flaw == "stops late" {
			time.Sleep(5 * function.StopWithin / 2)
		}
		return function.Result{}, nil
	}),
	"grab": harm(grab),
	"host": func(ctx context.Context, r *reference, c function.Call) (function.Result, error) {
		if _, err := kv(ctx, r, "set", "answer", c.Payload); err != nil {
			return function.Result{}, failed(err)
		}
		value, err := kv(ctx, r, "get", "answer", nil)
		return function.Result{Payload: value}, failed(err)
	},
	"await_host": func(ctx context.Context, r *reference, c function.Call) (function.Result, error) {
		if r.flaw == "leaves host requests" {
			go kv(context.WithoutCancel(ctx), r, "get", string(c.Payload), nil)
			<-ctx.Done()
			return function.Result{}, nil
		}
		value, err := kv(ctx, r, "get", string(c.Payload), nil)
		return function.Result{Payload: value}, failed(err)
	},
	"host_error": func(ctx context.Context, r *reference, c function.Call) (function.Result, error) {
		_, err := kv(ctx, r, "get", string(c.Payload), nil)
		e, ok := errors.AsType[*hostapi.Error](err)
		if !ok || r.flaw == "hides host errors" {
			return function.Result{}, nil
		}
		return text(string(e.Code)), nil
	},
	"state": func(_ context.Context, r *reference, _ function.Call) (function.Result, error) {
		r.calls++
		if r.flaw == "counts wrong" {
			r.calls++
		}
		return text(strconv.Itoa(r.calls)), nil
	},
}

func text(s string) function.Result { return function.Result{Payload: []byte(s)} }

// harm makes a guest that does none when it is asked to be well.
func harm(g guest) guest {
	return func(ctx context.Context, r *reference, c function.Call) (function.Result, error) {
		if string(c.Payload) == functiontest.Well {
			return text(functiontest.Well), nil
		}
		return g(ctx, r, c)
	}
}

// grab takes memory until it has as much as it may.
func grab(_ context.Context, r *reference, _ function.Call) (function.Result, error) {
	most := r.cfg.MemoryBytes
	if r.flaw == "gives more memory" {
		most *= 6
	}
	var all [][]byte
	defer runtime.GC() // as a runtime gives back what an instance has had
	for taken := int64(0); taken < most; taken += 1 << 20 {
		all = append(all, bytes.Repeat([]byte{1}, 1<<20))
	}
	return function.Result{}, function.Errorf(function.StatusFailed, "the function needs more than %d MiB of memory", len(all))
}

func kv(ctx context.Context, r *reference, method, key string, value []byte) ([]byte, error) {
	meta, err := json.Marshal(hostapi.KeyRequest{Key: key})
	if err != nil {
		return nil, err
	}
	answer, err := r.cfg.Host.Request(ctx, hostapi.Request{Service: hostapi.KV, Method: method, Meta: meta, Body: value})
	return answer.Body, err
}

// failed makes an error of a host service one of the function.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return function.Errorf(function.StatusFailed, "%v", err)
}
