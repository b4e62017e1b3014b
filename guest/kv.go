package guest

// KV is the function's key-value bucket.
var KV kv

type kv struct{}

type keyRequest struct {
	Key string `json:"key"`
}

// Get returns a key's value. If there is none, the error's code is CodeNotFound: see [IsNotFound].
func (kv) Get(key string) ([]byte, error) { return ask("kv", "get", keyRequest{key}, nil, nil) }

// Set sets a key's value.
func (kv) Set(key string, value []byte) error {
	_, err := ask("kv", "set", keyRequest{key}, value, nil)
	return err
}

// Delete deletes a key.
func (kv) Delete(key string) error {
	_, err := ask("kv", "delete", keyRequest{key}, nil, nil)
	return err
}

// Keys lists the keys, sorted.
func (kv) Keys() ([]string, error) {
	var answer struct {
		Keys []string `json:"keys"`
	}
	_, err := ask("kv", "keys", nil, nil, &answer)
	return answer.Keys, err
}
