package microvm_test

import (
	"os"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
)

var rig = &microvmtest.Rig{VMM: func() (vmm.VMM, error) { return qemu.New(qemu.Config{Emulate: true}) }}

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

func TestConformance(t *testing.T) { sandboxtest.Run(t, rig.Suite()) }

func TestNetwork(t *testing.T) { rig.CheckNetwork(t) }

func TestMachinesDiffer(t *testing.T) { rig.CheckMachinesDiffer(t) }

func TestConnectedDiffer(t *testing.T) { rig.CheckConnectedDiffer(t) }
