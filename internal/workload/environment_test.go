package workload_test

import (
	"maps"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
)

func TestDefaultEnvironment(t *testing.T) {
	t.Parallel()
	type env = map[string]string
	defaults := env{"NATS_URL": "nats://127.0.0.1:4222", "HOME": "/"}
	tests := []struct {
		name     string
		defaults env
		kind     nex.WorkloadType
		own      env
		want     env
	}{
		{"none", nil, nex.TypeNative, nil, nil},
		{"defaults alone", defaults, nex.TypeNative, nil, defaults},
		{"both", defaults, nex.TypeNative, env{"A": "1"}, env{"A": "1", "NATS_URL": "nats://127.0.0.1:4222", "HOME": "/"}},
		{"its own", defaults, nex.TypeNative, env{"NATS_URL": "nats://x"}, env{"NATS_URL": "nats://x", "HOME": "/"}},
		{"set in lower case", defaults, nex.TypeNative, env{"nats_url": "nats://x"}, env{"nats_url": "nats://x", "HOME": "/"}},
		{"set to nothing", defaults, nex.TypeNative, env{"NATS_URL": ""}, env{"NATS_URL": "", "HOME": "/"}},
		{
			"set in two ways",
			defaults, nex.TypeNative,
			env{"NATS_URL": "nats://x", "Nats_Url": "nats://y"},
			env{"NATS_URL": "nats://x", "Nats_Url": "nats://y", "HOME": "/"},
		},
		{"function", defaults, nex.TypeV8, env{"A": "1"}, env{"A": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.Config.DefaultEnvironment = tt.defaults
			told := make(chan env, 1)
			r.play("prog", linktest.Script{Deploy: func(_ *linktest.Agent, d agentlink.Deploy) agentlink.DeployReply {
				told <- d.Environment
				return agentlink.DeployReply{PID: 1}
			}})
			r.start()
			s := r.spec("prog")
			s.Type, s.Environment = tt.kind, tt.own
			r.deploy(s)
			if got := <-told; !maps.Equal(got, tt.want) {
				t.Errorf("told %v, want %v", got, tt.want)
			}
			if got := r.status(s).Spec.Environment; !maps.Equal(got, tt.own) {
				t.Errorf("kept %v, want %v", got, tt.own)
			}
		})
	}
	if len(defaults) != 2 {
		t.Errorf("the defaults have become %v", defaults)
	}
}
