package nex_test

import (
	"slices"
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestSandboxLevelsAreOrdered(t *testing.T) {
	want := []nex.SandboxLevel{nex.SandboxNone, nex.SandboxGVisor, nex.SandboxMicroVM}
	if !slices.Equal(nex.SandboxLevels, want) {
		t.Fatalf("levels = %v, want %v, weakest first", nex.SandboxLevels, want)
	}
	for i, level := range nex.SandboxLevels {
		for j, least := range nex.SandboxLevels {
			if got, want := level.AtLeast(least), i >= j; got != want {
				t.Errorf("%s is at least %s: %v, want %v", level, least, got, want)
			}
		}
		if !level.Valid() || !level.AtLeast("") || !level.AtLeast("castle") {
			t.Errorf("%s: valid %v; it must meet a minimum that asks for nothing", level, level.Valid())
		}
	}
	for _, unknown := range []nex.SandboxLevel{"", "castle", "None"} {
		if unknown.Valid() || unknown.AtLeast("") || unknown.AtLeast(nex.SandboxNone) {
			t.Errorf("%q: valid %v; it must meet no minimum", unknown, unknown.Valid())
		}
	}
}

func TestWorkloadTypes(t *testing.T) {
	functions := map[nex.WorkloadType]bool{nex.TypeNative: false, nex.TypeV8: true, nex.TypeWasm: true, nex.TypeOCI: false}
	if got := len(constants(t, "WorkloadType")); got != len(nex.WorkloadTypes) || got != len(functions) {
		t.Errorf("%d types are declared, %d listed, %d tested", got, len(nex.WorkloadTypes), len(functions))
	}
	for _, kind := range nex.WorkloadTypes {
		if want := functions[kind]; !kind.Valid() || kind.Function() != want {
			t.Errorf("%s: valid %v, function %v, want %v", kind, kind.Valid(), kind.Function(), want)
		}
	}
	for _, kind := range []nex.WorkloadType{"", "image", "Native"} {
		if kind.Valid() || kind.Function() {
			t.Errorf("%q: valid %v, function %v, want neither", kind, kind.Valid(), kind.Function())
		}
	}
}

func TestStateEnded(t *testing.T) {
	ended := map[nex.State]bool{
		nex.StateStarting: false, nex.StateRunning: false, nex.StateRestarting: false, nex.StateStopping: false,
		nex.StateStopped: true, nex.StateCompleted: true, nex.StateFailed: true,
	}
	for name, value := range constants(t, "State") {
		want, ok := ended[nex.State(value)]
		if got := nex.State(value).Ended(); !ok || got != want {
			t.Errorf("%s: ended = %v, want %v (tested: %v)", name, got, want, ok)
		}
	}
}

func TestExit(t *testing.T) {
	tests := []struct {
		name    string
		exit    nex.Exit
		text    string
		success bool
	}{
		{"success", nex.Exit{}, "ended with status 0", true},
		{"status", nex.Exit{Code: 3}, "ended with status 3", false},
		{"signal", nex.Exit{Code: -1, Signal: "SIGSEGV"}, "was ended by SIGSEGV", false},
		{"out of memory", nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}, "was killed because memory ran out", false},
		{"signal, yet status 0", nex.Exit{Signal: "SIGTERM"}, "was ended by SIGTERM", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.exit.String(); got != tt.text {
				t.Errorf("text = %q, want %q", got, tt.text)
			}
			if got := tt.exit.Success(); got != tt.success {
				t.Errorf("success = %v, want %v", got, tt.success)
			}
		})
	}
}
