package state

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// version is that of the format that this package writes, and the newest that it reads.
const version = 1

// maxFile bounds a file: MaxSpec in base64 with what else there is.
const maxFile = MaxSpec/3*4 + 1<<20

// file is what every version of the format looks like. The checksum is over the version as well, so
// that one which is damaged is told from one which is newer.
type file struct {
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"` // in hex: see checksum
	Record  json.RawMessage `json:"record"`
}

// stored is a Record as it is in a file of version 1.
type stored struct {
	Record
	Sealed []byte `json:"spec"` // a nonce, and Record.Spec sealed with it
}

// newerError is that a file is of a version that this package does not know.
type newerError struct{ version int }

func (e *newerError) Error() string {
	return fmt.Sprintf("it is of version %d of the format and this nex knows no later one than %d: upgrade nex", e.version, version)
}

// errSealed is that a specification cannot be opened.
var errSealed = errors.New("its specification was not sealed with this node's key: put the key back into the data directory, or forget the workload with nex node state rm")

// Key derives the key that seals specifications from a secret of the node, such as the seed of its nkey.
// The secret must be as hard to guess as a key.
func Key(secret []byte) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "nex workload records", keySize)
	if err != nil { // the size is one that there is
		panic(fmt.Sprintf("state: derive a key: %v", err))
	}
	return key
}

const keySize = 32

// newSeal makes the cipher of a key.
func newSeal(key []byte) (cipher.AEAD, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("the key of the node's state has %d bytes, not %d", len(key), keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// checkID refuses what cannot be the name of a file.
func checkID(id string) error {
	if !idForm.MatchString(id) {
		return fmt.Errorf("%.64q is no workload id, which has 1 to 128 letters, digits, _ and -", id)
	}
	return nil
}

func checksum(version int, record []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", version)
	h.Write(record)
	return hex.EncodeToString(h.Sum(nil))
}

// encode makes a file of a record.
func encode(r Record, seal cipher.AEAD) ([]byte, error) {
	if len(r.Spec) > MaxSpec {
		return nil, fmt.Errorf("what its start needs has %d bytes, more than the %d that are kept", len(r.Spec), MaxSpec)
	}
	record, err := json.Marshal(stored{Record: r, Sealed: seal.Seal(nil, nil, r.Spec, []byte(r.ID))})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(len(record) + 128)
	fmt.Fprintf(&b, `{"version":%d,"sha256":%q,"record":%s}`+"\n", version, checksum(version, record), record)
	return b.Bytes(), nil
}

// decode reads the file of a record. Without seal Spec stays empty. The error is a sentence without
// its end that begins with the file.
func decode(data []byte, id string, seal cipher.AEAD) (Record, error) {
	var f file
	if len(bytes.TrimLeft(data, "\x00")) == 0 {
		return Record{}, errors.New("it is empty")
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return Record{}, fmt.Errorf("it is no record or a part of one (%w)", err)
	}
	switch {
	case f.SHA256 != checksum(f.Version, f.Record):
		return Record{}, errors.New("its checksum is that of something else")
	case f.Version > version:
		return Record{}, &newerError{f.Version}
	case f.Version < 1:
		return Record{}, fmt.Errorf("it is of version %d of the format, which there never was", f.Version)
	}
	var s stored
	if err := json.Unmarshal(f.Record, &s); err != nil {
		return Record{}, fmt.Errorf("its record is malformed (%w)", err)
	}
	if s.ID != id {
		return Record{}, fmt.Errorf("it is the record of another workload, %.64q", s.ID)
	}
	if seal == nil {
		return s.Record, nil
	}
	if len(s.Sealed) == 0 {
		return Record{}, errors.New("its specification is missing")
	}
	var err error
	if s.Spec, err = seal.Open(nil, nil, s.Sealed, []byte(id)); err != nil {
		return Record{}, errSealed
	}
	return s.Record, nil
}
