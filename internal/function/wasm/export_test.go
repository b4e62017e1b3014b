package wasm

import (
	"context"
	"sync"
)

// Rewrite reads a module and returns it as it is compiled.
func Rewrite(file []byte) ([]byte, error) {
	m, err := parse(file)
	if err != nil {
		return nil, err
	}
	return m.rewrite()
}

var testEngine = sync.OnceValues(func() (*engine, error) { return newEngine(context.Background(), "") })

// Compiles reports whether the compiler takes a module.
func Compiles(code []byte) error {
	e, err := testEngine()
	if err != nil {
		return err
	}
	if err := e.compile(context.Background(), code); err != nil {
		return err
	}
	return e.code.Close(context.Background())
}

// Sentence is what makes messages of texts.
var Sentence = sentence
