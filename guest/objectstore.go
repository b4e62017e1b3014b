package guest

import "time"

// ObjectStore is the function's object store bucket.
var ObjectStore objectStore

type objectStore struct{}

// ObjectInfo describes an object.
type ObjectInfo struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`   // in bytes
	Digest   string    `json:"digest"` // "SHA-256=" and base64url
	Modified time.Time `json:"modified"`
}

type nameRequest struct {
	Name string `json:"name"`
}

// Get returns an object. If there is none, the error's code is CodeNotFound: see [IsNotFound].
func (objectStore) Get(name string) ([]byte, ObjectInfo, error) {
	var info ObjectInfo
	content, err := ask("objectstore", "get", nameRequest{name}, nil, &info)
	return content, info, err
}

// Put stores an object.
func (objectStore) Put(name string, content []byte) (ObjectInfo, error) {
	var info ObjectInfo
	_, err := ask("objectstore", "put", nameRequest{name}, content, &info)
	return info, err
}

// Delete deletes an object.
func (objectStore) Delete(name string) error {
	_, err := ask("objectstore", "delete", nameRequest{name}, nil, nil)
	return err
}

// List lists the objects, sorted by name.
func (objectStore) List() ([]ObjectInfo, error) {
	var answer struct {
		Objects []ObjectInfo `json:"objects"`
	}
	_, err := ask("objectstore", "list", nil, nil, &answer)
	return answer.Objects, err
}
