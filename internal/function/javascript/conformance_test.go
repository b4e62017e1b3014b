//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"testing"

	"github.com/nex-engine/nex/internal/function/functiontest"
	"github.com/nex-engine/nex/internal/function/javascript"
)

func TestConformance(t *testing.T) {
	guests := map[functiontest.Guest]string{}
	for _, g := range []functiontest.Guest{
		functiontest.Echo, functiontest.Subjects, functiontest.Headers, functiontest.Env, functiontest.Large, functiontest.Log,
		functiontest.Fail, functiontest.Throw, functiontest.Endless, functiontest.Grab,
		functiontest.Host, functiontest.AwaitHost, functiontest.HostError, functiontest.State,
	} {
		guests[g] = "testdata/guests.js"
	}
	functiontest.Run(t, functiontest.Subject{Load: javascript.Load, Guests: guests})
}
