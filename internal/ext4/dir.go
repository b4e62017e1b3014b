package ext4

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
)

// writeDirs writes the content of a directory and of those below it.
func (w *Writer) writeDirs(dir, parent *inode) error {
	names := slices.Sorted(maps.Keys(dir.children))
	content := dirContent(dir, parent, names)
	if err := w.fill(dir, int64(len(content)), bytes.NewReader(content)); err != nil {
		return err
	}
	for _, name := range names {
		if n := dir.children[name]; n.kind == modeDir {
			if err := w.writeDirs(n, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// dirContent is the blocks of a directory. No entry goes over the end of a block: the last one before it
// reaches to there.
func dirContent(dir, parent *inode, names []string) []byte {
	var b []byte
	last := 0 // where the last entry begins
	add := func(n *inode, name string) {
		size := entrySize(name)
		if room := blockSize - len(b)%blockSize; len(b)%blockSize != 0 && size > room {
			b = endBlock(b, last)
		}
		last = len(b)
		b = binary.LittleEndian.AppendUint32(b, n.number)
		b = binary.LittleEndian.AppendUint16(b, uint16(size))
		b = append(b, byte(len(name)), entryType(n.kind))
		b = append(b, name...)
		b = append(b, make([]byte, last+size-len(b))...)
	}
	add(dir, ".")
	add(parent, "..")
	for _, name := range names {
		add(dir.children[name], name)
	}
	return endBlock(b, last)
}

// entrySize is how much an entry takes with its name.
func entrySize(name string) int { return (8 + len(name) + 3) &^ 3 }

// endBlock lets the last entry reach to the end of its block.
func endBlock(b []byte, last int) []byte {
	end := (last/blockSize + 1) * blockSize
	binary.LittleEndian.PutUint16(b[last+4:], uint16(end-last))
	return append(b, make([]byte, end-len(b))...)
}

func entryType(kind uint16) byte {
	switch kind {
	case modeDir:
		return entryDir
	case modeSymlink:
		return entrySymlink
	default:
		return entryFile
	}
}
