package nex_test

import (
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestRestartPolicyThatHolds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		asked     nex.RestartPolicy
		essential bool
		of        nex.WorkloadType
		want      nex.RestartPolicy
	}{
		{"", false, nex.TypeNative, nex.RestartNever},
		{"", true, nex.TypeNative, nex.RestartAlways},
		{"", true, nex.TypeOCI, nex.RestartAlways},
		{"", false, nex.TypeV8, nex.RestartAlways},
		{"", false, nex.TypeWasm, nex.RestartAlways},
		{nex.RestartNever, false, nex.TypeNative, nex.RestartNever},
		{nex.RestartOnFailure, false, nex.TypeOCI, nex.RestartOnFailure},
		{nex.RestartAlways, false, nex.TypeNative, nex.RestartAlways},
		{nex.RestartAlways, true, nex.TypeNative, nex.RestartAlways},
	} {
		if err := tt.asked.Check(tt.of, tt.essential); err != nil {
			t.Errorf("%+v is refused: %v", tt, err)
		}
		if got := tt.asked.Resolve(tt.of, tt.essential); got != tt.want || !got.Valid() {
			t.Errorf("%+v: it is %s", tt, got)
		}
	}
	if nex.RestartPolicy("").Valid() || nex.RestartPolicy("Always").Valid() {
		t.Error("what is no policy is valid")
	}
}
