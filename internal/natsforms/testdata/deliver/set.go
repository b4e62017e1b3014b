package main

import (
	"math/bits"
	"sync"
)

// set holds numbers from 0 up to its size. It may be used concurrently.
type set struct {
	mu    sync.Mutex
	size  int
	words []uint64
}

func newSet(size int) *set { return &set{size: size, words: make([]uint64, (size+63)/64)} }

// add adds a number and reports whether it is new.
func (s *set) add(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.words[n/64]&(1<<(n%64)) != 0 {
		return false
	}
	s.words[n/64] |= 1 << (n % 64)
	return true
}

// has reports whether a number is in it.
func (s *set) has(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.words[n/64]&(1<<(n%64)) != 0
}

// len is how many numbers are in it.
func (s *set) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}
