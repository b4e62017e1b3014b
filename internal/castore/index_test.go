package castore_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/nex-engine/nex/internal/castore"
)

type (
	index = castore.Index[string]
	entry = castore.Entry[string]
)

// shelf is a store without a directory: it knows the names that are taken.
type shelf struct {
	mu    sync.Mutex
	names []string
	rests int // how often what takes long was done
	gone  chan struct{}
}

func (s *shelf) put(digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, digest)
}

func (s *shelf) remove(digest string) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = slices.DeleteFunc(s.names, func(n string) bool { return n == digest })
	if digest == "quick" {
		return nil
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rests++
		s.gone <- struct{}{}
	}
}

func (s *shelf) want(t *testing.T, names ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.names, names) {
		t.Errorf("names = %q, want %q", s.names, names)
	}
}

// open makes an index of ten bytes that is closed with the test.
func open(t *testing.T, cfg castore.Config) (*index, *shelf) {
	s := &shelf{gone: make(chan struct{}, 100)}
	cfg.Limit, cfg.Remove = 10, s.remove
	x := castore.NewIndex[string](cfg)
	t.Cleanup(func() { x.Close(errors.New("the test has ended")) })
	return x, s
}

// bring obtains an entry of this size that is not there.
func bring(x *index, s *shelf, digest string, size int64) castore.ObtainFunc[string] {
	return func(context.Context) (*entry, error) {
		return x.Place(digest, size, "value of "+digest, func(*entry) error {
			s.put(digest)
			return nil
		})
	}
}

// never is for what has to be there.
func never(t *testing.T) castore.ObtainFunc[string] {
	return func(context.Context) (*entry, error) {
		t.Error("what is there was brought again")
		return nil, errors.New("brought again")
	}
}

func get(t *testing.T, x *index, digest string, obtain castore.ObtainFunc[string]) *entry {
	t.Helper()
	e, err := x.Get(t.Context(), digest, "source", obtain)
	if err != nil {
		t.Fatalf("get %s: %v", digest, err)
	}
	return e
}

func TestEvictsLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	for _, digest := range []string{"a", "b", "c"} {
		x.Unpin(get(t, x, digest, bring(x, s, digest, 3)))
	}
	x.Unpin(get(t, x, "a", never(t)))
	x.Unpin(get(t, x, "d", bring(x, s, "d", 6)))
	s.want(t, "a", "d") // b and c were used before a
	if e := x.Lookup("d"); e == nil || e.Digest != "d" || e.Size != 6 || e.Value != "value of d" {
		t.Errorf("entry = %+v, want d", e)
	}
	if e := x.Lookup("b"); e != nil {
		t.Errorf("entry = %+v, want none", e)
	}
	x.Unpin(get(t, x, "b", bring(x, s, "b", 1)))
	s.want(t, "a", "d", "b")
}

func TestEvictionSparesWhatIsUsed(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	one, again := get(t, x, "a", bring(x, s, "a", 8)), get(t, x, "a", never(t))
	if one != again {
		t.Error("the entry of one digest is two")
	}
	two := get(t, x, "b", bring(x, s, "b", 8))
	x.Evict()
	x.Unpin(one)
	s.want(t, "a", "b")
	x.Unpin(again)
	s.want(t, "b")
	x.Unpin(two)
	s.want(t, "b")
	if s.rests != 1 {
		t.Errorf("what takes long was done %d times, want once", s.rests)
	}
}

// What was in the store already is evicted by the order in which it was added, and checked before it is used.
func TestAdd(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	for _, digest := range []string{"quick", "b", "c"} {
		s.put(digest)
		x.Add(digest, 5, "value of "+digest)
	}
	s.want(t, "quick", "b", "c")
	x.Evict()
	s.want(t, "b", "c")
	checks := 0
	check := func(context.Context) (*entry, error) {
		checks++
		e, checked := x.Pin("b")
		if e == nil || checked {
			t.Errorf("entry = %+v, checked %v, want one that is not", e, checked)
		}
		x.SetChecked(e)
		return e, nil
	}
	for range 2 {
		x.Unpin(get(t, x, "b", check))
	}
	if checks != 1 {
		t.Errorf("the entry was checked %d times, want once", checks)
	}
	if e, checked := x.Pin("b"); !checked {
		t.Error("the entry is not checked")
	} else {
		x.Unpin(e)
	}
	if e, checked := x.Pin("quick"); e != nil || checked {
		t.Errorf("entry = %+v, checked %v, want none", e, checked)
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	old := get(t, x, "a", bring(x, s, "a", 8))
	x.Discard(old)
	s.want(t)
	newer := get(t, x, "a", bring(x, s, "a", 8))
	x.Discard(old) // its name is the newer one's
	x.Unpin(old)
	s.want(t, "a")
	if x.Lookup("a") != newer {
		t.Error("the newer entry is gone")
	}
	x.Unpin(newer)
}

func TestPlace(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{})
	full := errors.New("full")
	if e, err := x.Place("a", 1, "", func(*entry) error { return full }); e != nil || !errors.Is(err, full) {
		t.Errorf("Place = %+v, %v, want %v", e, err, full)
	}
	if e := x.Lookup("a"); e != nil {
		t.Errorf("entry = %+v, want none", e)
	}
	place := func(size int64, want *entry) *entry {
		t.Helper()
		e, err := x.Place("a", size, "", func(there *entry) error {
			if there != want {
				t.Errorf("there is %+v, want %+v", there, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	s.put("a")
	x.Add("a", 4, "")
	first := place(4, nil) // what is there is not checked
	if second := place(4, first); second != first {
		t.Error("the entry of the same is another")
	}
	if third := place(5, first); third == first || third.Size != 5 || x.Lookup("a") != third {
		t.Errorf("the entry of another size is %+v", third)
	}
}

func TestBackground(t *testing.T) {
	t.Parallel()
	x, s := open(t, castore.Config{Background: true})
	x.Unpin(get(t, x, "a", bring(x, s, "a", 8)))
	x.Unpin(get(t, x, "b", bring(x, s, "b", 8)))
	<-s.gone
	s.want(t, "b")
	c := get(t, x, "c", bring(x, s, "c", 12))
	x.Close(errors.New("closed")) // waits until b is removed
	s.want(t, "c")
	x.Unpin(c) // too large, but an index that is closed removes nothing
	s.want(t, "c")
}
