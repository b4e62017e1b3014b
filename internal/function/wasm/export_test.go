package wasm

import (
	"bytes"
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

var testEngine = sync.OnceValues(func() (*engine, error) { return newEngine(context.Background(), nil) })

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

// What is at the end of a sealed file.
const SealSize = sealSize

type CacheKey = cacheKey

// Seal makes a sealed file.
func Seal(code []byte, identity CacheKey) []byte { return seal(bytes.Clone(code), identity) }

// Unseal returns what was sealed.
func Unseal(sealed []byte, identity CacheKey) ([]byte, error) {
	size, err := checkSeal(bytes.NewReader(sealed), identity)
	if err != nil {
		return nil, err
	}
	return sealed[:size], nil
}

// Identity returns that of a sealed file.
func Identity(sealed []byte) CacheKey {
	return CacheKey(sealed[int64(len(sealed))-sealSize:][:len(CacheKey{})])
}

// Sentence is what makes messages of texts.
var Sentence = sentence
