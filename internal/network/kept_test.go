//go:build linux

package network_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// Where there is no room to keep another policy, the one that is kept stays, and counts.
func TestPolicyOnFullDisk(t *testing.T) {
	newWorld(t)
	const dir = "/run/nex-network"
	must(t, os.MkdirAll(dir, 0o755), unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	m := openManager(t, network.Config{})
	ep := attach(t, m, "a", nex.Egress{Allow: []string{publicAddr}})
	files, err := filepath.Glob(dir + "/t1/*")
	must(t, err)
	before, err := os.ReadFile(dir + "/t1/a")
	must(t, err)
	ballast := dir + "/ballast"
	fill(t, ballast)
	if err := ep.SetEgress(t.Context(), nex.Egress{Allow: []string{otherAddr}}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("set egress: %v", err)
	}
	if after, err := os.ReadFile(dir + "/t1/a"); string(after) != string(before) || err != nil {
		t.Errorf("there is %q, %v; it was %q", after, err, before)
	}
	if left, err := filepath.Glob(dir + "/t1/*"); len(left) != len(files) || err != nil {
		t.Errorf("there are %v, %v; there were %v", left, err, files)
	}
	wantReached(t, ep.Namespace(), publicAddr+":80", nodeAddr)
	wantRefused(t, ep.Namespace(), otherAddr+":80")
	must(t, os.Remove(ballast), ep.SetEgress(t.Context(), nex.Egress{Allow: []string{otherAddr}}))
	wantReached(t, ep.Namespace(), otherAddr+":80", nodeAddr)
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}
