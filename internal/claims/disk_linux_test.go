package claims_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// A node that starts while the disk is full knows what was used, and lets through what need not be noted.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	nextest.OnSmallDisk(t, "256k", func(dir string) { onFullDisk(t, dir) })
}

func onFullDisk(t *testing.T, dir string) {
	t.Helper()
	key, _ := pair(t, nkeys.CreateAccount)
	used, unused := sign(t, key, startClaims()), sign(t, key, startClaims())
	path, ballast := filepath.Join(dir, "seen"), filepath.Join(dir, "ballast")
	want(t, start(at(t, path), used), "", "")
	half, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = half.WriteString("4000000000 half-a") // of a write that was torn
	}
	if err := errors.Join(err, half.Close()); err != nil {
		t.Fatal(err)
	}
	fill(t, ballast)
	before, none := at(t, path), at(t, filepath.Join(dir, "none"))
	want(t, start(before, used), nex.CodeClaimsReplayed, "used before")
	want(t, start(none, used), nex.CodeInsufficientResources, "the disk with the node's data directory is full: free some space")
	want(t, start(none, used), nex.CodeClaimsReplayed, "used before")
	want(t, stop(none, sign(t, key, stopClaims())), "", "")
	want(t, start(before, unused), "", "") // there is room in its last block
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	want(t, start(none, unused), "", "")
	for _, name := range []string{"seen", "none"} {
		want(t, start(at(t, filepath.Join(dir, name)), unused), nex.CodeClaimsReplayed, "used before")
	}
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
