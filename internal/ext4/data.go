package ext4

import (
	"errors"
	"fmt"
	"io"
)

// fill writes the content of an entry, and what tells where it is.
func (w *Writer) fill(n *inode, size int64, content io.Reader) error {
	n.size, n.flags = size, flagExtents
	count := (size + blockSize - 1) / blockSize
	first := w.reserve(n, count)
	if err := w.copy(first, size, content); err != nil {
		return err
	}
	return w.mapExtents(n, first, count)
}

// reserve gives an entry the blocks that come next.
func (w *Writer) reserve(n *inode, count int64) (first int64) {
	first = w.next
	w.next += count
	if count > 0 {
		n.runs = append(n.runs, run{first, count})
		n.blocks += count
	}
	return first
}

// copy writes size bytes of content from a block on. Those of entries that do not fit are not even read.
func (w *Writer) copy(first, size int64, content io.Reader) error {
	if w.next > w.blocks {
		return nil
	}
	at, left := first*blockSize, size
	for left > 0 {
		p := w.buf[:min(int64(len(w.buf)), left)]
		if n, err := io.ReadFull(content, p); err != nil {
			return tooShort(err, size, size-left+int64(n))
		}
		_, _ = w.sum.Write(p) // cannot fail
		if _, err := w.to.WriteAt(p, at); err != nil {
			return err
		}
		at += int64(len(p))
		left -= int64(len(p))
	}
	if n, _ := io.ReadFull(content, w.buf[:1]); n > 0 {
		return fmt.Errorf("it has more than the %d bytes that it should have", size)
	}
	return nil
}

// tooShort is the failure of content that ended.
func tooShort(err error, size, got int64) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("it has %d of the %d bytes that it should have: %w", got, size, io.ErrUnexpectedEOF)
	}
	return err
}

// writeBlocks writes to blocks, unless they are beyond the last one.
func (w *Writer) writeBlocks(first int64, b []byte) error {
	if first+(int64(len(b))+blockSize-1)/blockSize > w.blocks {
		return nil
	}
	_, err := w.to.WriteAt(b, first*blockSize)
	return err
}

// mapExtents tells in an inode where its content is: in itself, or in leaves if there are many extents.
func (w *Writer) mapExtents(n *inode, first, count int64) error {
	extents := (count + maxExtentBlocks - 1) / maxExtentBlocks
	if extents <= rootExtents {
		copy(n.data[:], appendExtents(appendHeader(nil, int(extents), rootExtents, 0), first, count, 0, extents))
		return nil
	}
	leaves := (extents + leafExtents - 1) / leafExtents
	if leaves > rootExtents {
		return fmt.Errorf("%d blocks in one file are too many", count)
	}
	root := appendHeader(nil, int(leaves), rootExtents, 1)
	at := w.reserve(n, leaves)
	for i := range leaves {
		from := i * leafExtents
		to := min(from+leafExtents, extents)
		leaf := appendExtents(appendHeader(nil, int(to-from), leafExtents, 0), first, count, from, to)
		if err := w.writeBlocks(at+i, leaf); err != nil {
			return err
		}
		root = appendIndex(root, uint32(from*maxExtentBlocks), at+i)
	}
	copy(n.data[:], root)
	return nil
}

// appendExtents appends some of the extents of a file whose blocks lie one after the other.
func appendExtents(b []byte, first, count, from, to int64) []byte {
	for i := from; i < to; i++ {
		logical := i * maxExtentBlocks
		b = appendExtent(b, uint32(logical), min(count-logical, maxExtentBlocks), first+logical)
	}
	return b
}
