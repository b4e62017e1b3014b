//go:build linux

package agent_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

// What no runtime should do is played: with this variable an agent has a runtime that does what its
// artifact says.
const playRuntime = "NEX_TEST_RUNTIME"

type playedRuntime struct {
	log  func(function.LogLine)
	host function.Host
}

func played(_ context.Context, cfg function.Config) (function.Runtime, error) {
	artifact, err := os.ReadFile(cfg.Path)
	if err != nil {
		return nil, err
	}
	switch string(artifact) {
	case "panic":
		panic("on purpose")
	case "hang":
		cfg.Log(function.LogLine{Stream: nex.StreamStdout, Text: "loading"})
		select {}
	case "wait":
		cfg.Log(function.LogLine{Stream: nex.StreamStdout, Text: "loading"})
		if _, err := os.ReadFile(cfg.Path + ".fifo"); err != nil {
			return nil, err
		}
	}
	return playedRuntime{cfg.Log, cfg.Host}, nil
}

func (r playedRuntime) Call(ctx context.Context, c function.Call) (function.Result, error) {
	r.log(function.LogLine{Stream: nex.StreamStdout, Text: "begun " + string(c.Payload)})
	switch string(c.Payload) {
	case "panic":
		panic("on purpose")
	case "error":
		return function.Result{}, fmt.Errorf("an error of no kind")
	case "header":
		return function.Result{Header: function.Header{"A": {"b\r\nC: d"}}}, nil
	case "large header":
		return function.Result{Header: function.Header{"A": {strings.Repeat("x", agentlink.MaxFrameBytes)}}}, nil
	case "hang":
		<-ctx.Done()
		return function.Result{}, function.Stopped(ctx)
	case "ask":
		got, err := r.host.Request(ctx, hostapi.Request{Service: "kv", Method: "get"})
		return function.Result{Payload: got.Body}, err
	case "stuck":
		<-ctx.Done()
		return function.Result{}, fmt.Errorf("played: %w", function.ErrStuck)
	}
	return function.Result{Payload: c.Payload}, nil
}

func (r playedRuntime) Close() {}

// startPlayed starts an agent with the runtime that is played.
func startPlayed(t *testing.T, edits ...func(*node, *exec.Cmd)) *node {
	t.Helper()
	return startAgent(t, append(edits, func(_ *node, cmd *exec.Cmd) { cmd.Env = append(cmd.Env, playRuntime+"=1") })...)
}

func loadPlayed(t *testing.T) *node {
	t.Helper()
	n := startPlayed(t)
	n.load(n.function(nex.TypeWasm, nil))
	return n
}

// A runtime that does what it should not fails the call and nothing else.
func TestFunctionRuntimeFails(t *testing.T) {
	t.Parallel()
	n := loadPlayed(t)
	n.call("panic").want(function.StatusFailed, "the function's runtime failed")
	n.call("error").want(function.StatusFailed, "an error of no kind")
	n.call("header").want(function.StatusFailed, "line break")
	n.call("large header").want(function.StatusTooLarge, "headers are larger than")
	n.call("well").want(0, "well")
	if exit := n.undeploy(patience); !exit.Success() {
		t.Errorf("exit = %+v, want success", exit)
	}
	n.awaitExit()
	if !strings.Contains(n.stderr.String(), "on purpose") {
		t.Errorf("the agent does not say that the runtime panicked: %s", n.stderr)
	}
}

// A call that cannot be stopped goes on to use the machine, so the agent ends.
func TestFunctionStuck(t *testing.T) {
	t.Parallel()
	n := loadPlayed(t)
	stuck := n.trigger(agentlink.Trigger{Subject: "s", Timeout: 10 * time.Millisecond, Payload: []byte("stuck")})
	stuck.want(function.StatusTimeout, "deadline")
	if got, want := n.awaitExit(), (nex.Exit{Code: -1, Signal: "SIGKILL"}); got != want {
		t.Errorf("exit = %+v, want %+v", got, want)
	}
	n.awaitLine("a call could not be stopped")
}

// What was stuck before a stop ends the agent also while others have their grace.
func TestFunctionStuckWhileStopping(t *testing.T) {
	t.Parallel()
	n := startPlayed(t)
	d := n.function(nex.TypeWasm, nil)
	d.Function.Concurrency = 2
	n.load(d)
	n.call("hang")
	stuck := n.trigger(agentlink.Trigger{Subject: "s", Timeout: time.Second, Payload: []byte("stuck")})
	n.awaitLine("begun hang")
	n.awaitLine("begun stuck")
	if exit := n.undeploy(patience); exit.Signal != "SIGKILL" {
		t.Errorf("exit = %+v, want that it was killed", exit)
	}
	stuck.want(function.StatusTimeout, "deadline")
	n.awaitExit()
}

func TestFunctionLoaderFails(t *testing.T) {
	t.Parallel()
	t.Run("panics", func(t *testing.T) {
		t.Parallel()
		n := startPlayed(t)
		r := n.deploy(n.function(nex.TypeWasm, []byte("panic")))
		if r.Code != nex.CodeStartFailed || !strings.Contains(r.Error, "on purpose") {
			t.Errorf("deploy = %+v, want code %s", r, nex.CodeStartFailed)
		}
	})
	t.Run("does not end when it is undeployed", func(t *testing.T) {
		t.Parallel()
		n := startPlayed(t)
		reply := make(chan agentlink.DeployReply, 1)
		d := n.function(nex.TypeWasm, []byte("hang"))
		go func() { reply <- n.deploy(d) }()
		n.awaitLine("loading")
		n.undeploy(patience)
		if r := <-reply; r.Code != nex.CodeStartFailed || !strings.Contains(r.Error, "undeployed") {
			t.Errorf("deploy = %+v, want that it was undeployed", r)
		}
		n.awaitEnd(0)
	})
	t.Run("does not end when the link is lost", func(t *testing.T) {
		t.Parallel()
		n := startPlayed(t, func(n *node, _ *exec.Cmd) { n.orphanTimeout = 100 * time.Millisecond })
		if err := n.nc.PublishRequest(agentlink.DeploySubject(n.id), "nowhere", agentlink.Encode(n.function(nex.TypeWasm, []byte("hang")))); err != nil {
			t.Fatal(err)
		}
		n.awaitLine("loading")
		n.server.Shutdown()
		n.awaitEnd(1)
	})
}
