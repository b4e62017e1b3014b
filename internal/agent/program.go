package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/logpump"
	"github.com/nex-engine/nex/internal/agent/oom"
	"github.com/nex-engine/nex/internal/agent/runas"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/proctree"
)

const (
	// killTimeout bounds one attempt to kill a process tree; after it the agent complains and tries
	// again.
	killTimeout = 5 * time.Second
	// drainTimeout bounds how long the program's output may stay open once its tree is gone. Only
	// somebody outside of the tree, to whom the program has handed it, can hold it open.
	drainTimeout = 2 * time.Second
)

// program is a running workload.
type program struct {
	log    *slog.Logger
	cmd    *exec.Cmd
	tree   *proctree.Tree
	output pipes         // the agent's ends
	read   chan struct{} // closed when all the program's output has been read
	memory oom.Watch
	stop   os.Signal // asks the program to end
}

// pipes are the ends of the program's standard output and error.
type pipes struct {
	stdout, stderr *os.File
}

func (p pipes) close() {
	_ = p.stdout.Close()
	_ = p.stderr.Close()
}

// give makes the user the owner of the pipes, so that its program can open them by their names, such as
// /dev/stderr.
func (p pipes) give(u *runas.User) error {
	return errors.Join(p.stdout.Chown(int(u.UID), int(u.GID)), p.stderr.Chown(int(u.UID), int(u.GID)))
}

// openPipes returns both ends of two pipes; the caller closes them.
func openPipes() (read, write pipes, err error) {
	if read.stdout, write.stdout, err = os.Pipe(); err != nil {
		return read, write, err
	}
	if read.stderr, write.stderr, err = os.Pipe(); err != nil {
		_ = read.stdout.Close()
		_ = write.stdout.Close()
	}
	return read, write, err
}

// launch starts the command, as the user if there is one, and what carries its output. The caller must call
// attend.
func (a *agent) launch(cmd *exec.Cmd, user *runas.User, workloadID string) (*program, error) {
	read, write, err := openPipes()
	if err != nil {
		return nil, err
	}
	defer write.close()
	cmd.Stdout, cmd.Stderr = write.stdout, write.stderr
	p := &program{
		log:    a.cfg.Logger.With(attrWorkload, workloadID),
		cmd:    cmd,
		output: read,
		read:   make(chan struct{}),
		memory: oom.Begin(os.DirFS("/")),
	}
	options := []proctree.Option{proctree.Marked(envAgentID, a.id)}
	if user != nil {
		options = append(options, proctree.StartedBy(user.Start))
		err = write.give(user)
	}
	if err == nil {
		p.tree, err = proctree.Start(cmd, options...)
	}
	if err != nil {
		read.close()
		return nil, err
	}
	go p.pump(a.openLog(workloadID))
	return p, nil
}

func (p *program) pump(pump *logpump.Pump) {
	defer close(p.read)
	defer p.output.close()
	pump.Run(
		logpump.Stream{Name: nex.StreamStdout, Level: slog.LevelInfo, From: p.output.stdout},
		logpump.Stream{Name: nex.StreamStderr, Level: slog.LevelError, From: p.output.stderr},
	)
}

var _ work = (*program)(nil)

func (p *program) reply() agentlink.DeployReply { return agentlink.DeployReply{PID: p.tree.PID()} }

// attend implements work.
func (p *program) attend(ctx context.Context, stops <-chan time.Duration) (nex.Exit, error) {
	killed := p.await(ctx, stops)
	left := p.clear(ctx)
	p.drain()
	if left == nil {
		_ = p.tree.Wait() // says what ExitOf says
	}
	exit := proctree.ExitOf(p.cmd.ProcessState)
	exit.OOM = !killed && exit.Signal == "SIGKILL" && p.memory.Struck()
	p.log.Info("workload ended", "exit", exit.String())
	if killed && ctx.Err() != nil {
		return exit, errors.Join(context.Cause(ctx), left)
	}
	return exit, left
}

// await returns when the program has ended, and false; or when it has to be killed, and true.
func (p *program) await(ctx context.Context, stops <-chan time.Duration) (kill bool) {
	var end time.Time // of the grace period
	var timer <-chan time.Time
	for {
		select {
		case <-p.tree.Exited():
			return false
		case <-ctx.Done():
			return true
		case <-timer:
			return true
		case grace := <-stops:
			if end.IsZero() && p.tree.Signal(p.stop) != nil {
				return !isClosed(p.tree.Exited())
			}
			if until := time.Now().Add(grace); end.IsZero() || until.Before(end) {
				end, timer = until, time.After(grace)
			}
		}
	}
}

// clear kills the whole tree. It goes on until nothing is left or, if something cannot be killed,
// until ctx ends: nobody is told that the workload has ended before that is so.
func (p *program) clear(ctx context.Context) error {
	for {
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTimeout)
		err := p.tree.Kill(attempt)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		p.log.Error("processes of the workload cannot be killed", attrError, err)
	}
}

// drain reads the rest of the program's output. Its writers are dead, so that takes no time; otherwise its
// output is cut off.
func (p *program) drain() {
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-p.read:
	case <-timer.C:
		p.output.close()
		<-p.read
	}
}
