package ext4

import "encoding/binary"

// Sizes that all file systems of this package have.
const (
	blockSize       = 4096
	sectorSize      = 512 // what inodes count their blocks in
	inodeSize       = 256
	inodesPerBlock  = blockSize / inodeSize
	descriptorSize  = 32
	blocksPerGroup  = 8 * blockSize // what one block of bitmap can tell
	maxGroupInodes  = 8 * blockSize
	bytesPerInode   = 16 << 10 // one inode for so much room, if there is
	superblockAt    = 1024
	superMagic      = 0xEF53
	logBlockSize    = 2  // of 1024
	extentHeader    = 12 // bytes, and so much each extent
	maxExtentBlocks = 1 << 15
	rootExtents     = 4 // in the inode
	leafExtents     = blockSize/extentHeader - 1
	inlineTarget    = 60 // what is shorter is in the inode
	maxLinks        = 65000
)

// Inodes with a meaning.
const (
	rootInode  = 2
	firstInode = 11 // those before it are the file system's own
)

// Types of files, in modes and in directories.
const (
	modeDir     = 0x4000
	modeFile    = 0x8000
	modeSymlink = 0xA000

	entryFile    = 1
	entryDir     = 2
	entrySymlink = 7
)

// Features.
const (
	compatExtAttr      = 0x8
	compatDirIndex     = 0x20
	compatSparseSuper2 = 0x200 // with no backups at all

	incompatFiletype = 0x2
	incompatExtents  = 0x40
	incompatFlexBG   = 0x200

	roCompatLargeFile  = 0x2
	roCompatDirNlink   = 0x20
	roCompatExtraIsize = 0x40
)

// flagExtents says of an inode that it has extents.
const flagExtents = 0x80000

// superblock is the part of it that is not empty.
type superblock struct {
	Inodes, Blocks, ReservedBlocks, FreeBlocks, FreeInodes uint32
	FirstBlock, LogBlockSize, LogClusterSize               uint32
	BlocksPerGroup, ClustersPerGroup, InodesPerGroup       uint32
	MountTime, WriteTime                                   uint32
	Mounts                                                 uint16
	MaxMounts                                              int16
	Magic, State, Errors, MinorRevision                    uint16
	LastCheck, CheckInterval, CreatorOS, Revision          uint32
	ReservedUID, ReservedGID                               uint16
	FirstInode                                             uint32
	InodeSize, GroupNumber                                 uint16
	Compat, Incompat, ROCompat                             uint32
	UUID                                                   [16]byte
	Label                                                  [16]byte
	LastMounted                                            [64]byte
	_                                                      [0xEC - 0xC8]byte // compression, preallocation and the journal
	HashSeed                                               [16]byte
	HashVersion, _                                         uint8
	DescriptorSize                                         uint16
	MountOptions, FirstMetaGroup, MadeTime                 uint32
	_                                                      [0x15C - 0x10C]byte // the journal, and the upper halves of numbers
	MinExtraIsize, WantExtraIsize                          uint16
	Flags                                                  uint32
	_                                                      [0x174 - 0x164]byte
	LogGroupsPerFlex                                       uint8
	_                                                      [0x24C - 0x175]byte
	BackupGroups                                           [2]uint32
	_                                                      [0x268 - 0x254]byte
	LostFound                                              uint32
}

// descriptor is what is known about a group.
type descriptor struct {
	BlockBitmap, InodeBitmap, InodeTable uint32
	FreeBlocks, FreeInodes, Dirs, Flags  uint16
	_                                    [12]byte
}

// diskInode is an inode up to its extra fields.
type diskInode struct {
	Mode, UID                   uint16
	Size                        uint32
	AccessTime, ChangeTime      uint32
	ModTime, DeleteTime         uint32
	GID, Links                  uint16
	Sectors, Flags, Version     uint32
	Block                       [60]byte
	Generation, ACL, SizeHigh   uint32
	_                           [6]byte
	_                           uint16
	UIDHigh, GIDHigh            uint16
	_, _                        uint16
	ExtraIsize, _               uint16
	ChangeExtra, ModExtra       uint32
	AccessExtra                 uint32
	CreateTime, CreateTimeExtra uint32
	_                           [8]byte // version and project
}

// extraIsize is how much of a diskInode is beyond the 128 bytes that every inode has.
const extraIsize = 32

func appendHeader(b []byte, entries, most, depth int) []byte {
	const magic = 0xF30A
	for _, n := range []int{magic, entries, most, depth, 0, 0} {
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
	}
	return b
}

// appendExtent appends that the blocks of a file from logical on are those of the disk from physical on.
func appendExtent(b []byte, logical uint32, blocks int64, physical int64) []byte {
	b = binary.LittleEndian.AppendUint32(b, logical)
	b = binary.LittleEndian.AppendUint16(b, uint16(blocks))
	b = binary.LittleEndian.AppendUint16(b, 0) // upper bits of physical
	return binary.LittleEndian.AppendUint32(b, uint32(physical))
}

// appendIndex appends that a leaf tells about the blocks from logical on.
func appendIndex(b []byte, logical uint32, leaf int64) []byte {
	b = binary.LittleEndian.AppendUint32(b, logical)
	b = binary.LittleEndian.AppendUint32(b, uint32(leaf))
	return binary.LittleEndian.AppendUint32(b, 0)
}
