// Package sandboxtest is the conformance suite of sandbox drivers: a driver is done when it passes.
//
// A driver's test file calls it so:
//
//	var suite = sandboxtest.Suite{New: func(dir, agent string) (sandbox.Driver, error) { … }}
//
//	func TestMain(m *testing.M) { os.Exit(sandboxtest.Main(m, suite)) }
//
//	func TestConformance(t *testing.T) { sandboxtest.Run(t, suite) }
package sandboxtest

import (
	"os"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox"
)

// Suite is the driver under test.
type Suite struct {
	// New makes a driver that keeps all its state below dir and runs the program at agent in its
	// sandboxes. It may be called again with the same dir, as a node does that starts again. A driver that
	// is an io.Closer is closed when the test ends.
	New func(dir, agent string) (sandbox.Driver, error)
	// HostProcesses says that what runs inside are processes of this machine, with the numbers and
	// the files that they have here.
	HostProcesses bool
	// LinkByNode says that the link of an agent leads through the node process, so that it is cut while there is
	// none.
	LinkByNode bool
	// Costly says that starts take seconds of a processor, and output time: what is only done more often, or more
	// of, to be surer is then done less.
	Costly bool
	// Keeps matches, as filepath.Match does, what stays in the directory for the sandboxes to come.
	Keeps string
}

// Main is what TestMain returns: the tests, or the part of a node that is going to be killed.
func Main(m *testing.M, s Suite) int {
	play := func(part func(Suite) int) int {
		status := make(chan int)
		go func() { status <- part(s) }() // starting programs is not for the main goroutine
		return <-status
	}
	switch {
	case os.Getenv(ownerVariable) != "":
		return play(own)
	case os.Getenv(ordersVariable) != "":
		return play(follow)
	}
	return m.Run()
}

// times is how often a check does something, or how much of it: many times, or few if it is costly.
func (s Suite) times(many, few int) int {
	if s.Costly {
		return few
	}
	return many
}

type check struct {
	name string
	run  func(*rig)
}

// checks run in parallel with each other.
var checks = []check{
	{"StartThenExit", checkStartThenExit},
	{"SignalDeath", checkSignalDeath},
	{"DoneIsBroadcast", checkDoneIsBroadcast},
	{"DeathTakesTheTree", checkDeathTakesTheTree},
	{"DestroyKillsTree", checkDestroyKillsTree},
	{"DestroyIsIdempotent", checkDestroyIsIdempotent},
	{"DestroyWithoutTime", checkDestroyWithoutTime},
	{"DestroyRemovesClutter", checkDestroyRemovesClutter},
	{"StartUndoesOnFail", checkStartUndoesOnFail},
	{"StartCancelled", checkStartCancelled},
	{"StartChecksID", checkStartChecksID},
	{"StartContextEnds", checkStartContextEnds},
	{"BootstrapIsDelivered", checkBootstrapIsDelivered},
	{"LogIsBounded", checkLogIsBounded},
	{"LogIsWhole", checkLogIsWhole},
	{"LogMayBeNil", checkLogMayBeNil},
	{"StageRuns", checkStageRuns},
	{"StageRunsAtOnce", checkStageRunsAtOnce},
	{"StageIsPrivate", checkStageIsPrivate},
	{"StageTwoFiles", checkStageTwoFiles},
	{"StageAfterEnd", checkStageAfterEnd},
	{"StageFails", checkStageFails},
	{"InstancesAreSeparate", checkInstancesAreSeparate},
	{"LinkIsReached", checkLinkIsReached},
	{"NoNetwork", checkNoNetwork},
	{"HostIsHidden", checkHostIsHidden},
	{"Configure", checkConfigure},
	{"LimitsAreRefused", checkLimitsAreRefused},
	{"OpenFilesAreLimited", checkOpenFilesAreLimited},
	{"PIDsAreLimited", checkPIDsAreLimited},
	{"DiskIsLimited", checkDiskIsLimited},
	{"MemoryIsLimited", checkMemoryIsLimited},
	{"SweepRemovesLeftovers", checkSweepRemovesLeftovers},
	{"SweepOfNothing", checkSweepOfNothing},
	{"AdoptGoesOn", checkAdoptGoesOn},
	{"AdoptAgain", checkAdoptAgain},
	{"AdoptAtOnce", checkAdoptAtOnce},
	{"AdoptOwn", checkAdoptOwn},
	{"AdoptNobody", checkAdoptNobody},
	{"AdoptDamaged", checkAdoptDamaged},
	{"AdoptedIsSpared", checkAdoptedIsSpared},
	{"AdoptedDies", checkAdoptedDies},
	{"AdoptedIsDestroyed", checkAdoptedIsDestroyed},
	{"AdoptedIsBounded", checkAdoptedIsBounded},
	{"AdoptedLacksMemory", checkAdoptedLacksMemory},
	{"AdoptedStages", checkAdoptedStages},
	{"LeftNeverHangs", checkLeftNeverHangs},
}

// aloneChecks look at the whole process and run before the others.
var aloneChecks = []check{
	{"EnvironmentIsClean", checkEnvironmentIsClean},
	{"NothingLeaks", checkNothingLeaks},
	{"AdoptLeaksNothing", checkAdoptLeaksNothing},
}

// Run exercises the driver contract.
func Run(t *testing.T, s Suite) {
	agents := &agents{dir: t.TempDir()}
	for _, c := range aloneChecks {
		t.Run(c.name, func(t *testing.T) { c.run(newRig(t, s, agents)) })
	}
	t.Run("Each", func(t *testing.T) {
		for _, c := range checks {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(newRig(t, s, agents))
			})
		}
	})
}
