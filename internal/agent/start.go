package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/runas"
	"github.com/nex-engine/nex/internal/agentlink"
)

// start starts the workload; the caller must call its attend. The error is a nex.Error. The ctx
// bounds starting, as an Undeploy does, and not the workload.
func (a *agent) start(ctx context.Context, d agentlink.Deploy) (work, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.wanted, func() { cancel(errors.New("it was undeployed")) })()

	if !slices.Contains(types(), d.Type) && (d.Type != nex.TypeOCI || !a.runsImages()) {
		return nil, nex.Errorf(nex.CodeUnsupportedType, "this agent runs no workloads of type %s", d.Type)
	}
	if d.Type != nex.TypeOCI { // whose files the node has verified, all of them
		if err := verify(ctx, d); err != nil {
			return nil, err
		}
	}
	env, err := a.environment(d)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, nex.Errorf(nex.CodeStartFailed, "workload %s was not started: %v", d.Name, context.Cause(ctx))
	}
	if load := loaders[d.Type]; load != nil {
		return a.load(ctx, d, load)
	}
	return a.execute(d, env)
}

// execute starts a program.
func (a *agent) execute(d agentlink.Deploy, env []string) (work, error) {
	cmd := &exec.Cmd{
		Path: d.Path,
		Args: append([]string{d.Name}, d.Argv...),
		Env:  env,
		Dir:  a.cfg.WorkDir,
	}
	user, stop, problem := a.cfg.User, "", startProblem
	if d.Type == nex.TypeOCI {
		var err error
		if cmd, user, err = a.imageCommand(d, env); err != nil {
			return nil, err
		}
		stop = d.Image.StopSignal
		problem = func(err error) string { return imageProblem(d.Image, err) }
	}
	p, err := a.launchFree(cmd, user, d.WorkloadID)
	if err != nil {
		return nil, nex.Errorf(nex.CodeStartFailed, "workload %s could not be started: %s", d.Name, problem(err))
	}
	p.stop = stopSignal(stop)
	a.cfg.Logger.Info("workload started", attrWorkload, d.WorkloadID, attrPID, p.tree.PID())
	return p, nil
}

// busyPatience bounds how often it is tried to start a program that somebody still has open for writing.
const busyPatience = 200 * time.Millisecond

// launchFree is launch for a file that was written just now. Where the system is busy another thread, or a process
// that is about to become another program, can have it open for a moment after it was closed.
func (a *agent) launchFree(cmd *exec.Cmd, user *runas.User, workloadID string) (*program, error) {
	for pause := time.Millisecond; ; pause *= 2 {
		again := *cmd // one whose start has failed cannot be started again
		p, err := a.launch(&again, user, workloadID)
		if !errors.Is(err, syscall.ETXTBSY) || pause > busyPatience {
			return p, err
		}
		time.Sleep(pause) // there is no event of it
	}
}

// startProblem says what the kernel disliked about a program, and what to do.
func startProblem(err error) string {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Sprintf("exec format error: it is no program for %s/%s; build it for that", runtime.GOOS, runtime.GOARCH)
	case errors.Is(err, fs.ErrPermission):
		return "permission denied: the file may not be executed here; look at how the node's data directory is mounted (noexec) and at its permissions"
	case errors.Is(err, fs.ErrNotExist):
		return "a file that it needs in order to start, its dynamic linker or interpreter, is missing; link it statically"
	case errors.Is(err, syscall.E2BIG):
		return "its arguments and environment are too large; shorten them"
	}
	return err.Error()
}

// verify compares the artifact with its digest.
func verify(ctx context.Context, d agentlink.Deploy) error {
	sum, err := digest(ctx, d.Path)
	switch {
	case err != nil:
		return nex.Errorf(nex.CodeStartFailed, "workload %s was not started: read its artifact: %v", d.Name, err)
	case !strings.EqualFold(sum, d.Digest):
		return nex.Errorf(nex.CodeDigestMismatch, "the artifact of workload %s has sha256 %s instead of %s: sign the request with the digest of the artifact", d.Name, sum, d.Digest)
	}
	return nil
}

func digest(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	// In a sandbox every read is a question to another process, so they are large.
	if _, err := io.CopyBuffer(hash, whileContext{ctx, f}, make([]byte, 1<<20)); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// whileContext reads as long as its context lives.
type whileContext struct {
	ctx context.Context
	r   io.Reader
}

func (w whileContext) Read(b []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.r.Read(b)
}
