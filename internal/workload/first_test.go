package workload_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

// refuses plays an agent that does not start the program.
func refuses(reply agentlink.DeployReply) linktest.Script {
	return linktest.Script{Deploy: func(*linktest.Agent, agentlink.Deploy) agentlink.DeployReply { return reply }}
}

// noAgents never has an agent.
type noAgents struct{ err error }

func (n noAgents) Lease(context.Context, pool.Need) (*pool.Agent, error) { return nil, n.err }

func (n noAgents) Adopt(context.Context, string, bool, linkhost.Events) (*pool.Agent, error) {
	return nil, n.err
}

func TestFirstStartFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(*rig, *workload.Spec)
		code nex.Code
		want string // pattern
	}{
		{"artifact missing", func(_ *rig, s *workload.Spec) { s.Location.Path += "x"; s.Digest = "" }, nex.CodeArtifactNotFound, `programx`},
		{"artifact cannot be looked up", func(r *rig, _ *workload.Spec) {
			r.artifacts.OnCheck = func(context.Context) error { return nex.Errorf(nex.CodeArtifactUnavailable, "no JetStream") }
		}, nex.CodeArtifactUnavailable, `^no JetStream$`},
		{"artifact cannot be fetched", func(r *rig, _ *workload.Spec) {
			r.artifacts.OnFetch = func(context.Context) error { return nex.Errorf(nex.CodeArtifactUnavailable, "it is gone") }
		}, nex.CodeArtifactUnavailable, `^it is gone$`},
		{"artifact is another", func(_ *rig, s *workload.Spec) { s.Digest = strings.Repeat("0", 64) }, nex.CodeDigestMismatch, `sha256`},
		{"artifact is no program", func(r *rig, s *workload.Spec) {
			if err := os.WriteFile(s.Location.Path, []byte("hello"), 0o600); err != nil {
				r.Fatal(err)
			}
			s.Digest = ""
		}, nex.CodeInvalidExecutable, `linux/amd64`},
		{"artifact is too large", func(r *rig, _ *workload.Spec) { r.Config.Limits.WorkloadBytes = 10 }, nex.CodeArtifactTooLarge, `^Workload file size would exceed node limitations`},
		{"no agent", func(r *rig, _ *workload.Spec) {
			r.Config.Agents = noAgents{nex.Errorf(nex.CodeNoAgent, "there is none")}
		}, nex.CodeNoAgent, `^there is none$`},
		{"sandbox takes no file", func(r *rig, _ *workload.Spec) {
			r.driver.OnStage = func(context.Context, *fake.Instance, sandbox.Purpose, string) error {
				return errors.New("the disk is full")
			}
		}, nex.CodeStartFailed, `^put artifact into sandbox: the disk is full$`},
		{"agent refuses", func(r *rig, s *workload.Spec) {
			r.play(s.Name, refuses(agentlink.DeployReply{Error: "not today", Code: nex.CodeDigestMismatch}))
		}, nex.CodeDigestMismatch, `^not today$`},
		{"agent refuses without a code", func(r *rig, s *workload.Spec) {
			r.play(s.Name, refuses(agentlink.DeployReply{Error: "exec format error"}))
		}, nex.CodeStartFailed, `^exec format error$`},
		{"agent dies", func(r *rig, s *workload.Spec) {
			r.play(s.Name, linktest.Script{Deploy: func(a *linktest.Agent, _ agentlink.Deploy) agentlink.DeployReply {
				a.Die(nex.Exit{Code: -1, Signal: "SIGKILL"})
				<-a.Gone()
				return agentlink.DeployReply{}
			}})
		}, nex.CodeStartFailed, `^start program: request to agent \w+: the agent was ended by SIGKILL$`},
		{"agent ends orderly", func(r *rig, s *workload.Spec) {
			r.play(s.Name, linktest.Script{Deploy: func(a *linktest.Agent, _ agentlink.Deploy) agentlink.DeployReply {
				a.Die(nex.Exit{Code: 2})
				<-a.Gone()
				return agentlink.DeployReply{PID: 1}
			}})
		}, nex.CodeStartFailed, `^start program: request to agent \w+: the agent ended with status 2$`},
		{"agent cannot be told", func(_ *rig, s *workload.Spec) {
			s.Argv = []string{strings.Repeat("x", agentlink.MaxMessageBytes)}
		}, nex.CodeStartFailed, `^start program: request to agent \w+: .*maximum payload`},
	}
	for _, essential := range []bool{false, true} {
		for _, tt := range tests {
			name := tt.name
			if essential {
				name += ", of an essential workload"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				s := r.spec("prog")
				s.Essential = essential
				tt.edit(r, &s)
				r.start()
				_, err := r.Deploy(t.Context(), s)
				if nex.CodeOf(err) != tt.code || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
					t.Fatalf("error = %v (%s), want %s (%s)", err, nex.CodeOf(err), tt.want, tt.code)
				}
				if list := r.List(""); len(list) != 0 || r.Active() != 0 {
					t.Errorf("workloads = %v, %d are active, want none", list, r.Active())
				}
				r.checkReleased()
				if idle, live := r.pool.Idle(), r.driver.Live(); idle != live {
					t.Errorf("%d sandboxes are left, %d of them idle", live, idle)
				}
				path := r.world.path(s.ID)
				if len(path) != 2 || path[0] != "starting: accepted" || path[1] != "failed: "+err.Error() {
					t.Errorf("path = %q, want that it failed with %q", path, err)
				}
				if err := r.Stop(t.Context(), "default", s.ID, s.Name, issuer, 0); err != nex.ErrWorkloadNotFound {
					t.Errorf("stop: %v, want %v", err, nex.ErrWorkloadNotFound)
				}
				lines := r.world.lines()
				if len(lines) != 1 || lines[0].Text != err.Error() || lines[0].Stream != nex.StreamNex || lines[0].ID != s.ID || lines[0].workload != s.Name {
					t.Errorf("log = %+v, want the reason", lines)
				}
			})
		}
	}
}

// TestDeployAfterAFailure shows that nothing of a failure stands in the way of the next try.
func TestDeployAfterAFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Config.Limits = workload.Limits{Workloads: 1, TotalBytes: 1000, WorkloadBytes: 1000}
	var fail atomic.Bool
	r.play("prog", linktest.Script{Deploy: func(*linktest.Agent, agentlink.Deploy) agentlink.DeployReply {
		if fail.Load() {
			return agentlink.DeployReply{Error: "no", Code: nex.CodeStartFailed}
		}
		return agentlink.DeployReply{}
	}})
	r.start()
	for range 5 {
		s := r.spec("prog", 1000)
		fail.Store(true)
		if _, err := r.Deploy(t.Context(), s); nex.CodeOf(err) != nex.CodeStartFailed {
			t.Fatalf("error = %v, want code %s", err, nex.CodeStartFailed)
		}
		fail.Store(false)
		s.ID += "again"
		r.deploy(s)
		r.stop(s)
	}
}

func TestSlowArtifact(t *testing.T) {
	t.Parallel()
	// begin deploys a workload whose artifact does not come before the answer.
	begin := func(t *testing.T) (*rig, workload.Spec, chan<- error) {
		r := newRig(t)
		wait, reached, let := hold()
		r.artifacts.OnFetch = wait
		r.Config.ReplyWithin = time.Millisecond
		r.start()
		s := r.spec("prog")
		if state, err := r.Deploy(t.Context(), s); err != nil || state != nex.StateStarting {
			t.Fatalf("Deploy = %s, %v, want starting", state, err)
		}
		<-reached
		if st := r.status(s); st == nil || st.State != nex.StateStarting || r.Active() != 1 {
			t.Fatalf("status = %+v, %d active", st, r.Active())
		}
		return r, s, let
	}
	t.Run("comes", func(t *testing.T) {
		t.Parallel()
		r, s, let := begin(t)
		let <- nil
		r.world.awaitState(t, s.ID, nex.StateRunning, 1)
		r.stop(s)
	})
	t.Run("does not come", func(t *testing.T) {
		t.Parallel()
		r, s, let := begin(t)
		let <- nex.Errorf(nex.CodeArtifactUnavailable, "the server is gone")
		r.world.awaitState(t, s.ID, nex.StateFailed, 1)
		if st := r.status(s); st == nil || st.State != nex.StateFailed || st.Reason != "the server is gone" {
			t.Errorf("status = %+v, want that it failed and why", st)
		}
		nextest.Await(t, "it is not active", func() bool { return r.Active() == 0 })
	})
	t.Run("is not waited for by the caller", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		wait, reached, let := hold()
		r.artifacts.OnFetch = wait
		r.start()
		s := r.spec("prog")
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-reached
			cancel()
		}()
		if state, err := r.Deploy(ctx, s); err != nil || state != nex.StateStarting {
			t.Fatalf("Deploy = %s, %v, want starting", state, err)
		}
		let <- nil
		r.world.awaitState(t, s.ID, nex.StateRunning, 1)
	})
}

// TestDeployAnswersWithinTwoSeconds has a clock of its own, and so nothing that needs a network.
func TestDeployAnswersWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		let := make(chan error)
		m, err := workload.NewManager(workload.Config{
			Artifacts: slow{let}, Agents: noAgents{errors.New("unused")}, Publisher: w, Logger: discard,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		start := time.Now()
		state, err := m.Deploy(t.Context(), workload.Spec{ID: "w", Name: "prog", Namespace: "default"})
		if d := time.Since(start); err != nil || state != nex.StateStarting || d != 2*time.Second {
			t.Errorf("Deploy = %s, %v after %s, want starting after 2s", state, err, d)
		}
		let <- nex.Errorf(nex.CodeArtifactUnavailable, "the server is gone")
		synctest.Wait()
		if list := m.List(""); len(list) != 1 || list[0].State != nex.StateFailed || list[0].Reason != "the server is gone" {
			t.Errorf("workloads = %+v, want one that failed", list)
		}
		w.checkLives(t)
	})
}

// slow is a source that takes its time.
type slow struct{ let <-chan error }

func (s slow) Check(context.Context, artifact.Ref) (int64, error) { return 1, <-s.let }

func (s slow) Fetch(context.Context, artifact.Ref) (*artifact.File, error) {
	return nil, errors.New("unused")
}
