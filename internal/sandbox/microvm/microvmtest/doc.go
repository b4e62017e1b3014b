// Package microvmtest has what tests of the microVM driver need, whatever program runs their machines: what machines
// are made of, drivers, and the checks that hold with each program.
//
//	var rig = &microvmtest.Rig{VMM: func() (vmm.VMM, error) { … }}
//
//	func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }
//
//	func TestConformance(t *testing.T) { sandboxtest.Run(t, rig.Suite()) }
//
// It needs a kernel and its modules in bin/kernel.
package microvmtest
