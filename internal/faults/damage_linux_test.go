package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// damageState damages a file of the node's state while the node is away. Without such files it just is away.
func damageState(_ *world, s *step) (func() error, error) {
	s.node.kill()
	files, err := filepath.Glob(filepath.Join(s.node.dir, "state", "*.json"))
	if err != nil || len(files) == 0 {
		return s.node.start, err
	}
	path := files[s.pick%uint64(len(files))]
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	damages := []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"flipped a bit of", func(b []byte) []byte { b[s.pick>>8%uint64(len(b))] ^= 1 << (s.pick >> 5 % 8); return b }},
		{"truncated", func(b []byte) []byte { return b[:s.pick>>8%uint64(len(b))] }},
		{"emptied", func([]byte) []byte { return nil }},
		{"zeroed", func(b []byte) []byte { return make([]byte, len(b)) }},
	}
	d := damages[s.pick>>16%uint64(len(damages))]
	s.note = fmt.Sprintf("%s %s", d.name, filepath.Base(path))
	return s.node.start, os.WriteFile(path, d.damage(slices.Clone(content)), 0o600)
}
