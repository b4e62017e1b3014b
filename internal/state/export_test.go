package state

// Decode is decode with the seal of a key.
func Decode(data []byte, id string, key []byte) (Record, error) {
	seal, err := newSeal(key)
	if err != nil {
		return Record{}, err
	}
	return decode(data, id, seal)
}

// Encode is encode with the seal of a key.
func Encode(r Record, key []byte) ([]byte, error) {
	seal, err := newSeal(key)
	if err != nil {
		return nil, err
	}
	return encode(r, seal)
}

// Checksum is what the file of a record of a version has to say.
var Checksum = checksum

// MaxFile bounds a file that is read.
const MaxFile = maxFile
