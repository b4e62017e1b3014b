package unwind_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/nex-engine/nex/internal/unwind"
)

func start(steps int, fail error) (done []int, err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	for i := range steps {
		undo.Add(func() { done = append(done, i) })
	}
	return nil, fail
}

func TestRunOnError(t *testing.T) {
	for _, c := range []struct {
		name string
		fail error
		want []int
	}{
		{"failure undoes last in first out", errors.New("no"), []int{2, 1, 0}},
		{"success undoes nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := start(3, c.fail); !slices.Equal(got, c.want) {
				t.Errorf("undone = %v, want %v", got, c.want)
			}
		})
	}
}

func TestRunEmptiesTheStack(t *testing.T) {
	var undo unwind.Stack
	n := 0
	undo.Add(func() { n++ })
	undo.Run()
	undo.Run()
	if n != 1 {
		t.Errorf("the step ran %d times, want once", n)
	}
}

func TestPanicDoesNotStopTheRest(t *testing.T) {
	var undo unwind.Stack
	ran := false
	undo.Add(func() { ran = true })
	undo.Add(func() { panic("boom") })
	func() {
		defer func() { _ = recover() }()
		undo.Run()
	}()
	if !ran {
		t.Error("the step below the one that panicked did not run")
	}
}
