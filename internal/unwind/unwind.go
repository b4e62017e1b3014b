// Package unwind undoes a start that failed half-way.
package unwind

// Stack holds what is to be undone. The zero value is empty. It is for one goroutine.
//
//	var undo unwind.Stack
//	defer undo.RunOnError(&err)
//	tap, err := attach()
//	if err != nil {
//		return err
//	}
//	undo.Add(tap.Detach)
type Stack struct{ steps []func() }

// Add puts a step on the stack. A step deals with its own errors: the one that matters is the one
// that stopped the start.
func (s *Stack) Add(step func()) { s.steps = append(s.steps, step) }

// Run undoes every step, last in, first out, and empties the stack. A step that panics does not
// keep the others from running.
func (s *Stack) Run() {
	steps := s.steps
	s.steps = nil
	for _, step := range steps { // deferred calls run last in, first out
		defer step()
	}
}

// RunOnError is Run if *err is an error when it is called. Otherwise it forgets all steps: what was
// acquired is now the caller's.
func (s *Stack) RunOnError(err *error) {
	if *err != nil {
		s.Run()
	}
	s.steps = nil
}
