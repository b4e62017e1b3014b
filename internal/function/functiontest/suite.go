// Package functiontest is the conformance suite of function runtimes: a runtime is done when it passes.
//
// A runtime's test file calls it so, with the paths of the programs that [Guest] describes:
//
//	func TestConformance(t *testing.T) {
//		functiontest.Run(t, functiontest.Subject{
//			Load:   javascript.Load,
//			Guests: map[functiontest.Guest]string{functiontest.Echo: "testdata/echo.js", …},
//		})
//	}
package functiontest

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/nex-engine/nex/internal/function"
)

// Subject is the runtime under test.
type Subject struct {
	// Load loads a guest.
	Load function.Loader
	// Guests are the paths of the guests' artifacts. One artifact may serve for several guests: the
	// variable NEX_GUEST of its environment says which it is to be.
	Guests map[Guest]string
	// Cannot says by the name of a check why these guests cannot pass it: a WASI command, for example,
	// knows no headers. The check is left out, and the test's log says so. Optional.
	Cannot map[string]string
	// Goroutines excepts goroutines of the process, not of a runtime, from the rule that none is left.
	// Optional.
	Goroutines []goleak.Option
}

type check struct {
	name   string
	guests []Guest // that it needs
	run    func(*rig)
}

// checks run one after the other: they measure time, memory and goroutines of the whole process.
var checks = []check{
	{"Echo", []Guest{Echo}, checkEcho},
	{"ResultIsTheCallers", []Guest{Echo}, checkResultIsTheCallers},
	{"Subject", []Guest{Subjects}, checkSubject},
	{"Headers", []Guest{Headers}, checkHeaders},
	{"Environment", []Guest{Env}, checkEnvironment},
	{"LargeResult", []Guest{Large}, checkLargeResult},
	{"Log", []Guest{Log}, checkLog},
	{"LogOfManyLines", []Guest{Log}, checkLogOfManyLines},

	{"Fail", []Guest{Fail}, checkFail},
	{"FailWithStatus", []Guest{Fail}, checkFailWithStatus},
	{"Throw", []Guest{Throw}, checkThrow},
	{"Stack", []Guest{Throw}, checkStack},
	{"Memory", []Guest{Grab}, checkMemory},

	{"Deadline", []Guest{Endless}, checkDeadline},
	{"CancelBusy", []Guest{Endless}, checkCancelBusy},
	{"CancelAwaiting", []Guest{AwaitHost}, checkCancelAwaiting},
	{"ContextIsOver", []Guest{Endless}, checkContextIsOver},
	{"CloseBusy", []Guest{Endless}, checkCloseBusy},
	{"CloseAwaiting", []Guest{AwaitHost}, checkCloseAwaiting},
	{"CloseAtOnce", []Guest{Echo}, checkCloseAtOnce},

	{"HostService", []Guest{Host}, checkHostService},
	{"HostError", []Guest{HostError}, checkHostError},

	{"Concurrency", []Guest{AwaitHost}, checkConcurrency},
	{"CallsDoNotMix", []Guest{Echo}, checkCallsDoNotMix},
	{"RuntimesAreSeparate", []Guest{Env}, checkRuntimesAreSeparate},
	{"State", []Guest{State}, checkState},

	{"LoadRefuses", []Guest{Echo}, checkLoadRefuses},
	{"LoadContextEnds", []Guest{Echo}, checkLoadContextEnds},
	{"LoadAgain", []Guest{Echo}, checkLoadAgain},

	{"CallsDoNotGrow", []Guest{Echo}, checkCallsDoNotGrow},
	{"FailuresDoNotGrow", []Guest{Throw}, checkFailuresDoNotGrow},
}

// Run exercises the contract of function.Runtime.
func Run(t *testing.T, s Subject) {
	for name, reason := range s.Cannot {
		if !slices.ContainsFunc(checks, func(c check) bool { return c.name == name }) || reason == "" {
			t.Fatalf("Cannot[%q] = %q, want the name of a check and a reason", name, reason)
		}
	}
	cache := t.TempDir()
	for _, c := range checks {
		if reason, cannot := s.Cannot[c.name]; cannot {
			t.Logf("not checked: %s: %s", c.name, reason)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			for _, g := range c.guests {
				if s.Guests[g] == "" {
					t.Fatalf("there is no guest %q", g)
				}
			}
			c.run(newRig(t, s, cache))
		})
	}
}
