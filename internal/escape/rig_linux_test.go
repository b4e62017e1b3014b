package escape_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/nextest"
)

// neighbour is the name of the workload that runs beside those that attack.
const neighbour = "neighbour"

// rig is a nex up, and a client of it.
type rig struct {
	up        *nextest.Process
	workloads *nats.Conn // in the workload account
	control   *nats.Conn // in the control account
	client    *client.Client
	node      nex.PingResponse
	issuer    nkeys.KeyPair
	// deployed are the workloads of a group: names by their ids.
	deployed map[string]string
	// neighbours are the sandboxes that run on.
	neighbours []string
}

// start starts a nex up with a configuration, whose level is gvisor. It ends with the test.
func start(t *testing.T, config string) *rig {
	t.Helper()
	r := launch(t, config)
	if r.up.Ready.Sandbox != string(nex.SandboxGVisor) {
		t.Fatalf("the node's level is %q", r.up.Ready.Sandbox)
	}
	return r
}

// launch starts a nex up with a configuration and flags. It ends with the test.
func launch(t *testing.T, config string, flags ...string) *rig {
	t.Helper()
	home := t.TempDir()
	file := filepath.Join(home, "config.json")
	writeFile(t, file, config)
	cmd := exec.Command(filepath.Join(binDir, "nex"), "up", "--port", "0", "--json", "--config", file)
	cmd.Args = append(cmd.Args, flags...)
	cmd.Env = append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "NEX_DATA_DIR=" + filepath.Join(home, "data")}, nextest.Environ()...)
	p, err := nextest.StartReady(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Errorf("nex up: %v", err)
		}
		if t.Failed() {
			t.Logf("the node's log:\n%s", p.Log())
		}
		if left, err := nextest.Processes(p.Ready.DataDir); err != nil || len(left) > 0 {
			t.Errorf("processes %v are left of a node that has ended, %v", left, err)
		}
	})
	r := &rig{up: p, deployed: map[string]string{}}
	key, err := nats.NkeyOptionFromSeed(p.Ready.ControlNKey)
	if err != nil {
		t.Fatal(err)
	}
	if r.control, err = nats.Connect(p.Ready.ControlURL, key); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.control.Close)
	if r.workloads, err = nats.Connect(p.Ready.NATSURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.workloads.Close)
	r.client = client.New(r.control, client.Config{Timeout: nextest.Patience})
	if r.node, err = r.client.Ping(t.Context(), p.Ready.NodeID); err != nil {
		t.Fatal(err)
	}
	if r.issuer, err = nkeys.CreateAccount(); err != nil {
		t.Fatal(err)
	}
	return r
}

// internalPort is where the node's internal NATS server listens, which the node logs.
func (r *rig) internalPort(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`internal NATS server started.*client_url"?[=:]"?nats://127\.0\.0\.1:([0-9]+)`).FindStringSubmatch(r.up.Log())
	if found == nil {
		t.Fatalf("the node does not log where its internal server is:\n%s", r.up.Log())
	}
	return found[1]
}

// intruder is a deployment of the program, which waits for attacks.
func (r *rig) intruder(name string) client.Deployment {
	return r.file(name, nex.TypeNative, filepath.Join(binDir, "intruder"), "serve")
}

func (r *rig) file(name string, kind nex.WorkloadType, path string, argv ...string) client.Deployment {
	return client.Deployment{
		Node: r.node.NodeID, Xkey: r.node.TargetXkey, Issuer: r.issuer, Name: name, Type: kind,
		Location: nex.Location{Scheme: nex.SchemeFile, Path: path}, Digest: digestOf(path), Argv: argv,
	}
}

func digestOf(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// deploy deploys an intruder and returns its id when it can be told what to do.
func (r *rig) deploy(t *testing.T, d client.Deployment) string {
	t.Helper()
	id := r.accepted(t, d)
	nextest.Await(t, d.Name+" answers", func() bool {
		_, err := r.ask(d.Name, time.Second, "ping")
		return err == nil
	})
	return id
}

// accepted deploys anything.
func (r *rig) accepted(t *testing.T, d client.Deployment) string {
	t.Helper()
	answer, err := r.client.Deploy(t.Context(), d)
	if err != nil {
		t.Fatalf("deploy %s: %v", d.Name, err)
	}
	r.deployed[answer.ID] = d.Name
	return answer.ID
}

// stopAll stops the workloads of a group that still run.
func (r *rig) stopAll(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it is canceled before cleanups are called
	for id, name := range r.deployed {
		if m := r.workload(t, id); m == nil || m.State.Ended() {
			continue
		}
		stopping := client.Stopping{Node: r.node.NodeID, ID: id, Name: name, Issuer: r.issuer, Grace: time.Second}
		if _, err := r.client.Stop(ctx, stopping); err != nil {
			t.Errorf("stop %s: %v", name, err)
		}
	}
}

// workload is what the node says of one, nil if it does not know it.
func (r *rig) workload(t *testing.T, id string) *nex.MachineInfo {
	t.Helper()
	info, err := r.client.Info(context.WithoutCancel(t.Context()), r.node.NodeID)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(info.Machines, func(m nex.MachineInfo) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return &info.Machines[i]
}

// ask sends a workload the arguments and returns what it answers.
func (r *rig) ask(name string, timeout time.Duration, args ...string) (string, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return "", err
	}
	m, err := r.workloads.Request("intruder."+name, body, timeout)
	if err != nil {
		return "", err
	}
	return string(m.Data), nil
}

// tell makes a workload attack that will not live to answer.
func (r *rig) tell(t *testing.T, name string, args ...string) {
	t.Helper()
	body, err := json.Marshal(args)
	must(t, err)
	must(t, r.workloads.Publish("intruder."+name, body))
}

// attack makes a workload attack.
func (r *rig) attack(t *testing.T, name string, args ...string) outcome {
	t.Helper()
	out, err := r.ask(name, attackTimeout, args...)
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return parse(t, args, out)
}

// attackTimeout bounds an attack; the workload ends it before.
const attackTimeout = 65 * time.Second

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
