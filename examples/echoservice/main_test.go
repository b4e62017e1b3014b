//go:build unix

package main_test

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/nex-engine/nex/internal/natstest"
)

const answerWithin = 20 * time.Second

// build builds the example the way its users do.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "echoservice")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return bin
}

func TestEchoService(t *testing.T) {
	bin := build(t)
	t.Run("is linked statically", func(t *testing.T) {
		if runtime.GOOS == "linux" {
			checkStatic(t, bin)
		}
	})
	t.Run("serves until it is told to end", func(t *testing.T) {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(sig.String(), func(t *testing.T) {
				t.Parallel()
				serve(t, bin, sig)
			})
		}
	})
	t.Run("fails without a server", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), bin)
		cmd.Env = append(os.Environ(), "NATS_URL=nats://127.0.0.1:1")
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasPrefix(string(out), "echoservice: connect to NATS: ") {
			t.Errorf("exit status %d (%v) and %q; want 1 and why it could not connect", code, err, out)
		}
	})
}

// checkStatic fails if the program needs a dynamic linker, which no sandbox promises.
func checkStatic(t *testing.T, bin string) {
	t.Helper()
	f, err := elf.Open(bin)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("program header %v: the program is not linked statically", p.Type)
		}
	}
}

// serve runs the program against a server of its own, uses it, and ends it with sig.
func serve(t *testing.T, bin string, sig syscall.Signal) {
	s := natstest.Run(t)
	nc := natstest.Connect(t, s)

	cmd := exec.CommandContext(t.Context(), bin)
	cmd.Env = append(os.Environ(), "NATS_URL= "+s.ClientURL()+" ")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	for _, want := range []string{
		fmt.Sprintf("Echo service using NATS url '%s'\n", s.ClientURL()),
		"Starting echo service\n",
	} {
		if got, err := lines.ReadString('\n'); got != want {
			t.Fatalf("printed %q (%v), want %q", got, err, want)
		}
	}

	// The second line says that the service can be called.
	for _, payload := range []string{"hey", "", "\x00\xff"} {
		msg, err := nc.Request("svc.echo", []byte(payload), answerWithin)
		if err != nil {
			t.Fatalf("request %q: %v", payload, err)
		}
		if got := string(msg.Data); got != payload {
			t.Errorf("answer = %q, want %q", got, payload)
		}
	}
	msg, err := nc.Request("$SRV.INFO.EchoService", nil, answerWithin)
	if err != nil {
		t.Fatal(err)
	}
	var info micro.Info
	if err := json.Unmarshal(msg.Data, &info); err != nil {
		t.Fatalf("decode %q: %v", msg.Data, err)
	}
	if info.Name != "EchoService" || info.Version != "1.0.0" || len(info.Endpoints) != 1 || info.Endpoints[0].Subject != "svc.echo" {
		t.Errorf("service info = %+v, want EchoService 1.0.0 with the endpoint svc.echo", info)
	}

	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Errorf("read what is left of stdout: %v", err)
	}
	if err := cmd.Wait(); err != nil || len(rest)+stderr.Len() > 0 {
		t.Errorf("after %v: %v, printed %q, %q; want exit status 0 and nothing", sig, err, rest, &stderr)
	}
}
