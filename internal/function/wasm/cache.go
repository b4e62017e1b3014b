package wasm

import (
	"bytes"
	"crypto/sha256"
	"io"
	"reflect"
	goruntime "runtime"

	"github.com/tetratelabs/wazero"

	"github.com/nex-engine/nex/internal/function"
)

// cacheKey is how the compiler names what it has compiled: a digest of the module, and of what the
// processor can do.
type cacheKey = [sha256.Size]byte

// cache is where the compiler looks before it compiles one module, and puts what it has compiled.
//
// The compiler believes what it finds. A damaged file can crash the process, or make it reserve any amount
// of memory, so it only gets what is whole.
type cache struct {
	given  string // sealed file with what was compiled before; empty for none
	most   int64  // bytes of what is to be kept
	taken  bool   // the compiler has got what was given
	sealed []byte // what it has compiled, if it is to be kept
}

// Get implements what the compiler calls to read.
func (c *cache) Get(key cacheKey) (io.ReadCloser, bool, error) {
	if c.given == "" {
		return nil, false, nil
	}
	code, err := unseal(c.given, identity(key))
	if err != nil {
		return nil, false, nil // it is compiled anew
	}
	c.taken = true
	return code, true, nil
}

// Add implements what the compiler calls to write.
func (c *cache) Add(key cacheKey, code io.Reader) error {
	most := c.most - sealSize
	if most <= 0 {
		return nil
	}
	var b bytes.Buffer
	if sized, ok := code.(interface{ Len() int }); ok {
		b.Grow(int(min(int64(sized.Len()), most)+sealSize) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(code, most+1))
	if err == nil && n <= most {
		c.sealed = seal(b.Bytes(), identity(key))
	}
	return nil // what is not kept does not keep it from running
}

// Delete implements what the compiler calls when what it has read is of another version of it.
func (c *cache) Delete(cacheKey) error { return nil }

// identity is the key with what it leaves out, since the compiler has a directory for each.
func identity(key cacheKey) cacheKey {
	return sha256.Sum256(append([]byte(goruntime.GOOS+"/"+goruntime.GOARCH+"/"), key[:]...))
}

// compilationCache makes the compiler use c. It returns nil if that is not possible.
//
// The compiler can be given a directory alone. There it reads eight bytes at a time, which in a sandbox
// takes longer than all else that is done for a load, and writes more than the sandbox may have room for.
func (c *cache) compilationCache() wazero.CompilationCache {
	w := wazero.NewCompilationCache()
	v := reflect.ValueOf(w)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	field := v.Elem().FieldByName("fileCache")
	if !field.IsValid() || field.Kind() != reflect.Interface || !reflect.TypeOf(c).Implements(field.Type()) {
		return nil
	}
	reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Set(reflect.ValueOf(c))
	return w
}

var _ function.Compiler = (*runtime)(nil)

// Compiled returns what Load had to compile; see [function.Compiler].
func (r *runtime) Compiled() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.compiled
	r.compiled = nil
	return b
}
