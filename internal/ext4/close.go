package ext4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"
)

// Close writes all that makes a file system of what was written. If it has become too large the error is a
// *SizeError, and what lies in the file is of no use.
func (w *Writer) Close() error {
	if err := w.writeDirs(w.root, w.root); err != nil {
		return fmt.Errorf("write the directories of a file system: %w", err)
	}
	inodes := int64(firstInode - 1 + len(w.inodes))
	l, fits := plan(w.blocks, w.next, inodes)
	if !fits {
		least := need(w.next-headBlocks(w.blocks), inodes)
		return &SizeError{Size: w.size, Need: least * blockSize}
	}
	groups := make([]descriptor, l.groups)
	for _, write := range []func(layout, []descriptor) error{w.writeInodes, w.writeBlockMaps, w.writeInodeMaps, w.writeHead} {
		if err := write(l, groups); err != nil {
			return fmt.Errorf("write the tables of a file system: %w", err)
		}
	}
	w.used = l.end
	return nil
}

// Used is how much of the size is taken after Close, in bytes.
func (w *Writer) Used() int64 { return w.used * blockSize }

// writeInodes writes the inodes that there are, in pieces, and counts the directories.
func (w *Writer) writeInodes(l layout, groups []descriptor) error {
	for g := range groups {
		groups[g].InodeTable = uint32(l.tables + int64(g)*l.groupNodes/inodesPerBlock)
	}
	inodes := int64(firstInode - 1 + len(w.inodes))
	most := int64(len(w.buf) / inodeSize)
	for first := int64(0); first < inodes; first += most {
		piece := w.buf[:min(most, inodes-first)*inodeSize]
		clear(piece)
		for at := range int64(len(piece)) / inodeSize {
			n := w.inode(first + at + 1)
			if n == nil {
				continue
			}
			copy(piece[at*inodeSize:], n.encode())
			if n.kind == modeDir {
				groups[(first+at)/l.groupNodes].Dirs++
			}
		}
		_, _ = w.sum.Write(piece) // cannot fail
		if err := w.writeBlocks(l.tables+first/inodesPerBlock, piece); err != nil {
			return err
		}
	}
	return nil
}

// inode is the one with a number, nil if that is not in use.
func (w *Writer) inode(number int64) *inode {
	switch {
	case number == rootInode:
		return w.root
	case number < firstInode:
		return nil
	}
	return w.inodes[number-firstInode]
}

func (n *inode) encode() []byte {
	seconds, extra := encodeTime(n.ModTime)
	d := diskInode{
		Mode: n.kind | encodeMode(n.Mode), UID: uint16(n.UID), UIDHigh: uint16(n.UID >> 16), GID: uint16(n.GID), GIDHigh: uint16(n.GID >> 16),
		Size: uint32(n.size), SizeHigh: uint32(n.size >> 32), Links: encodeLinks(n), Sectors: uint32(n.blocks * (blockSize / sectorSize)),
		Flags: n.flags, Block: n.data, ExtraIsize: extraIsize,
		AccessTime: seconds, ChangeTime: seconds, ModTime: seconds, CreateTime: seconds,
		AccessExtra: extra, ChangeExtra: extra, ModExtra: extra, CreateTimeExtra: extra,
	}
	b, _ := binary.Append(nil, binary.LittleEndian, &d) // its size is fixed
	return b
}

// encodeLinks is 1 for a directory with more directories in it than can be counted.
func encodeLinks(n *inode) uint16 {
	if n.links >= maxLinks {
		return 1
	}
	return uint16(n.links)
}

func encodeMode(m fs.FileMode) uint16 {
	mode := uint16(m.Perm())
	for bit, is := range map[uint16]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&is != 0 {
			mode |= bit
		}
	}
	return mode
}

// encodeTime splits a time into seconds, and two more bits of them with the nanoseconds.
func encodeTime(t time.Time) (seconds, extra uint32) {
	const least, most = -1 << 31, 1<<34 - 1<<31 - 1
	if t.IsZero() {
		return 0, 0
	}
	s := min(max(t.Unix(), least), most)
	// The lower half has a sign, and the other bits say how often 2^32 is to be added.
	epoch := uint32((s - int64(int32(uint32(s)))) >> 32 & 3)
	return uint32(s), uint32(t.Nanosecond())<<2 | epoch
}

// writeBlockMaps marks the blocks up to the end of the tables as in use. Bitmaps without any mark need not be
// written.
func (w *Writer) writeBlockMaps(l layout, groups []descriptor) error {
	freed := make(map[int64][]run)
	for _, r := range w.freed {
		for r.count > 0 {
			g := r.at / blocksPerGroup
			n := min(r.count, (g+1)*blocksPerGroup-r.at)
			freed[g] = append(freed[g], run{r.at % blocksPerGroup, n})
			r = run{r.at + n, r.count - n}
		}
	}
	bits := make([]byte, blockSize)
	for g := range int64(len(groups)) {
		first := g * blocksPerGroup
		size := min(l.blocks-first, blocksPerGroup)
		used := min(max(l.end-first, 0), size)
		clear(bits)
		setBits(bits, 0, used)
		free := size - used
		for _, r := range freed[g] {
			clearBits(bits, r.at, r.at+r.count)
			free += r.count
		}
		setBits(bits, size, blocksPerGroup) // those that do not exist
		groups[g].BlockBitmap = uint32(l.blockMaps + g)
		groups[g].FreeBlocks = uint16(free)
		if free == blocksPerGroup {
			continue
		}
		if err := w.writeBlocks(l.blockMaps+g, bits); err != nil {
			return err
		}
	}
	return nil
}

// writeInodeMaps marks the inodes that are in use, and those that a bitmap could tell of but a group does
// not have.
func (w *Writer) writeInodeMaps(l layout, groups []descriptor) error {
	b := make([]byte, l.groups*blockSize)
	inodes := int64(firstInode - 1 + len(w.inodes))
	for g := range l.groups {
		bits := b[g*blockSize:][:blockSize]
		used := min(max(inodes-g*l.groupNodes, 0), l.groupNodes)
		setBits(bits, 0, used)
		setBits(bits, l.groupNodes, maxGroupInodes)
		groups[g].InodeBitmap = uint32(l.inodeMaps + g)
		groups[g].FreeInodes = uint16(l.groupNodes - used)
	}
	for i, n := range w.inodes {
		if n == nil {
			at := int64(firstInode - 1 + i)
			g := at / l.groupNodes
			clearBits(b[g*blockSize:], at%l.groupNodes, at%l.groupNodes+1)
			groups[g].FreeInodes++
		}
	}
	return w.writeBlocks(l.inodeMaps, b)
}

// writeHead writes the superblock and the descriptors.
func (w *Writer) writeHead(l layout, groups []descriptor) error {
	head := bytes.NewBuffer(make([]byte, 0, headBlocks(l.blocks)*blockSize))
	head.Write(make([]byte, superblockAt))
	sb := w.superblock(l, groups)
	_ = binary.Write(head, binary.LittleEndian, &sb) // to memory, and its size is fixed
	head.Write(make([]byte, blockSize-head.Len()))
	_ = binary.Write(head, binary.LittleEndian, groups)
	return w.writeBlocks(0, head.Bytes())
}

func (w *Writer) superblock(l layout, groups []descriptor) superblock {
	const (
		clean            = 1
		goOnAfterErrors  = 1
		dynamicRevision  = 1
		halfMD4          = 1
		signedHash       = 1
		userXattrs       = 0x4
		posixACL         = 0x8
		logGroupsPerFlex = 4 // as mke2fs has it: what the kernel keeps together when it writes
	)
	sb := superblock{
		Inodes: uint32(l.groups * l.groupNodes), Blocks: uint32(l.blocks),
		LogBlockSize: logBlockSize, LogClusterSize: logBlockSize, BlocksPerGroup: blocksPerGroup, ClustersPerGroup: blocksPerGroup,
		InodesPerGroup: uint32(l.groupNodes), MaxMounts: -1, Magic: superMagic, State: clean, Errors: goOnAfterErrors, Revision: dynamicRevision,
		FirstInode: firstInode, InodeSize: inodeSize, LostFound: firstInode,
		Compat: compatExtAttr | compatDirIndex | compatSparseSuper2, Incompat: incompatFiletype | incompatExtents | incompatFlexBG,
		ROCompat: roCompatLargeFile | roCompatDirNlink | roCompatExtraIsize, HashVersion: halfMD4, Flags: signedHash,
		MountOptions: userXattrs | posixACL, MinExtraIsize: extraIsize, WantExtraIsize: extraIsize, LogGroupsPerFlex: logGroupsPerFlex,
	}
	for _, g := range groups {
		sb.FreeBlocks += uint32(g.FreeBlocks)
		sb.FreeInodes += uint32(g.FreeInodes)
	}
	copy(sb.Label[:], w.label)
	copy(sb.UUID[:], w.sum.Sum(nil))
	sb.UUID[6] = sb.UUID[6]&0x0F | 0x80 // version 8: made by rules of our own
	sb.UUID[8] = sb.UUID[8]&0x3F | 0x80
	sb.HashSeed = sb.UUID
	return sb
}

func setBits(bits []byte, from, to int64) {
	for ; from < to && from%8 != 0; from++ {
		bits[from/8] |= 1 << (from % 8)
	}
	for ; from+8 <= to; from += 8 {
		bits[from/8] = 0xFF
	}
	for ; from < to; from++ {
		bits[from/8] |= 1 << (from % 8)
	}
}

func clearBits(bits []byte, from, to int64) {
	for ; from < to; from++ {
		bits[from/8] &^= 1 << (from % 8)
	}
}
