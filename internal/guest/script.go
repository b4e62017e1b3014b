package guest

import "time"

// A VM whose initramfs has ScriptPath runs no agent: it runs that program, as root, in the file system of its first
// disk, which it may change, leaves the file system in order, and ends.
const (
	// ScriptPath is the program, and ScriptSetupPath a [ScriptSetup] as JSON.
	ScriptPath      = "/script"
	ScriptSetupPath = "/script.json"
	// ScriptEndedLine is what the init prints on the console, before how the program ended as JSON of an [Exit], when
	// the file system is in order again. Without that line it is not.
	ScriptEndedLine = "nex-init: script ended: "
)

// ScriptSetup is what a VM that runs a program has to know.
type ScriptSetup struct {
	// Time is the host's, Entropy from its source of randomness.
	Time    time.Time `json:"time"`
	Entropy []byte    `json:"entropy"`
	// Network is nil for a VM that has its loopback only.
	Network *Network `json:"network,omitempty"`
}
