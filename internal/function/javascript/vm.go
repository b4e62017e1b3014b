//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	v8 "github.com/tommie/v8go"

	"github.com/nex-engine/nex/internal/function"
)

// MinMemoryBytes is the smallest heap with which V8 and the runtime's own code work.
const MinMemoryBytes = 16 << 20

// vm is one isolate. One goroutine uses it at a time; only its isolate's TerminateExecution may be
// called by others.
type vm struct {
	cfg     *function.Config
	iso     *v8.Isolate
	ctx     *v8.Context
	none    *v8.Value // undefined, the receiver of calls
	in      *v8.Function
	core    *v8.Object
	box     mailbox
	started time.Time
	work    *work // what the isolate is doing; nil while it is idle
	program *program
	texts   []*v8.Value // handed to the isolate by callbacks, to be released after them
	kept    *answer     // what did not fit into the mailbox
	subject string      // what the isolate knows as the subject of the last call

	heap uint64 // V8's limit, which V8 raises when the isolate reaches it
	most uint64 // what may be in use between calls
}

// setFlags sets V8's flags, which are the process's, before the first isolate is made.
//
// Without loop unrolling, V8's optimizer leaves the check for interrupts in every loop. With it, a loop
// that calls built-in functions only, such as for(;;) a.push(new Array(1000).fill(1)), could not be
// stopped, neither at its deadline nor at its memory limit.
//
// Without lazy source positions, V8 finds the lines of a function when it compiles it. With them, it does so
// when they are first asked for, which at a stack overflow fails for want of stack, and for good.
//
// The core takes the collector of garbage away from the global object, where V8 puts it.
var setFlags = sync.OnceFunc(func() {
	v8.SetFlags("--no-turboshaft-loop-unrolling", "--no-enable-lazy-source-positions", "--expose-gc", "--expose-gc-as="+collector)
})

// collector is the global in which the core finds V8's collector of garbage.
const collector = "__nexCollect"

// newContext makes a context of an isolate. V8 defines the collector of garbage as with var, which can
// be deleted only if there is a property of its name before.
func newContext(iso *v8.Isolate) *v8.Context {
	global := v8.NewObjectTemplate(iso)
	if err := global.Set(collector, false); err != nil {
		panic(err) // a template takes every boolean
	}
	return v8.NewContext(iso, global)
}

// newIsolate makes an isolate with a heap of so many bytes.
func newIsolate(bytes int64) *v8.Isolate {
	setFlags()
	return v8.NewIsolate(v8.WithResourceConstraints(1<<20, uint64(max(bytes, MinMemoryBytes))))
}

// newVM makes a vm of an isolate. It owns the isolate.
func newVM(cfg *function.Config, p *program, iso *v8.Isolate) *vm {
	return &vm{
		cfg: cfg, iso: iso, ctx: newContext(iso), none: v8.Undefined(iso), started: time.Now(), program: p,
		heap: iso.GetHeapStatistics().HeapSizeLimit,
	}
}

// dispose frees the isolate and all that is in it.
func (v *vm) dispose() {
	v.box.detach()
	v.ctx.Close()
	v.iso.Dispose()
}

// prepare runs the runtime's own scripts, which make the globals.
func (v *vm) prepare() error {
	host, err := v.hostObject()
	if err != nil {
		return err
	}
	core, err := v.apply(coreCode, host)
	if err != nil {
		return err
	}
	if v.core, err = core.AsObject(); err != nil {
		return err
	}
	enter, err := v.core.Get("enter")
	if err != nil {
		return err
	}
	if v.in, err = enter.AsFunction(); err != nil {
		return err
	}
	native, err := v.core.Get("native")
	if err != nil {
		return err
	}
	defer native.Release()
	for _, c := range globalCodes() {
		value, err := v.apply(c, native)
		if err != nil {
			return err
		}
		value.Release()
	}
	return v.callCore("hide", v.none)
}

// apply runs a script whose value is a function, and calls that with one argument.
func (v *vm) apply(c *code, arg v8.Valuer) (*v8.Value, error) {
	value, err := c.run(v)
	if err != nil {
		return nil, err
	}
	defer value.Release()
	f, err := value.AsFunction()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return f.Call(v.none, arg)
}

// callCore calls a function of the core for its effect.
func (v *vm) callCore(name string, arg v8.Valuer) error {
	value, err := v.core.MethodCall(name, arg)
	if err != nil {
		return err
	}
	value.Release()
	return nil
}

// load makes the globals, runs the user's code, and keeps the function that it evaluates to.
func (v *vm) load(w *work) error {
	v.work = w
	defer func() { v.work = nil }()
	if err := v.prepare(); err != nil {
		return fmt.Errorf("javascript: preparing the isolate: %s", err.Error()) // not the user's error, whatever it is
	}
	value, err := v.program.run(v)
	if err != nil {
		return err
	}
	defer value.Release()
	kind, err := v.core.MethodCall("adopt", value)
	if err != nil {
		return err
	}
	defer kind.Release()
	if what := kind.String(); what != "" {
		return &noFunction{what: what}
	}
	if err := v.callCore("loaded", v.none); err != nil {
		return err
	}
	if v.stopped() {
		return errStopped
	}
	used := v.used(v.iso.GetHeapStatistics())
	v.most = used + (max(v.heap, used)-used)/2
	return nil
}

// noFunction is the error of a file whose value is something else.
type noFunction struct{ what string }

func (e *noFunction) Error() string { return "the value is " + e.what }

// enter lets the isolate do what op says, with what is in the mailbox, and then run until nothing is
// left to do at once. An error means that V8 has stopped it.
func (v *vm) enter(op int) error {
	v.box.setWord(wordOp, op)
	value, err := v.in.Call(v.none)
	v.releaseTexts()
	if err != nil {
		return err
	}
	value.Release()
	return nil
}

func (v *vm) releaseTexts() {
	for i, t := range v.texts {
		t.Release()
		v.texts[i] = nil
	}
	v.texts = v.texts[:0]
}

// reserve makes the mailbox hold so many bytes of data.
func (v *vm) reserve(size int) error {
	have := len(v.box.data())
	if size <= have {
		return nil
	}
	for have < size {
		have *= 2
	}
	return v.resize(have)
}

var errMailbox = errors.New("there is not enough memory for the data of the call")

func (v *vm) resize(size int) error {
	if size > math.MaxInt32 {
		return errMailbox
	}
	v.box.setWord(wordNeed, size)
	if err := v.enter(opResize); err != nil {
		return err
	}
	if len(v.box.data()) != size {
		return errMailbox
	}
	v.box.setWord(wordNeed, 0)
	return nil
}

// used is what the isolate uses: its heap, and what is not in it but kept alive by it.
func (v *vm) used(s v8.HeapStatistics) uint64 {
	return s.UsedHeapSize + s.ExternalMemory - min(s.ExternalMemory, uint64(len(v.box.bytes)))
}

// health is what to do with an isolate after a call.
type health int

const (
	healthy health = iota
	full           // it uses too much, though perhaps it is garbage
	broken         // it has reached its limit and cannot be relied on
)

func (v *vm) health() health {
	s := v.iso.GetHeapStatistics()
	switch {
	case s.HeapSizeLimit > v.heap:
		return broken
	case v.used(s) > v.most:
		return full
	}
	return healthy
}

// tidy collects garbage and reports whether that was enough. The second time is for the content of
// ArrayBuffers, which another thread frees after the first one.
func (v *vm) tidy() bool {
	for range 2 {
		if v.enter(opGC) != nil {
			return false
		}
		if v.health() == healthy {
			return true
		}
	}
	return false
}

// now is the isolate's clock.
func (v *vm) now() float64 { return float64(time.Since(v.started)) / float64(time.Millisecond) }
