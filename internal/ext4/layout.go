package ext4

// layout is where what belongs to the groups is, in blocks.
type layout struct {
	blocks     int64 // of the file system
	groups     int64
	groupNodes int64 // inodes in each group
	tables     int64 // inode tables of all groups, one after the other
	blockMaps  int64 // bitmaps of the blocks, likewise
	inodeMaps  int64 // bitmaps of the inodes
	end        int64 // the first block that is free
}

// headBlocks is how many blocks the superblock and the descriptors take.
func headBlocks(blocks int64) int64 {
	return 1 + roundUp(groupsOf(blocks)*descriptorSize, blockSize)/blockSize
}

func groupsOf(blocks int64) int64 { return (blocks + blocksPerGroup - 1) / blocksPerGroup }

// plan lays out a file system in which the first `used` blocks are in use, and which has room for at least `inodes`
// inodes: for as many as its size lets expect, or if there is no room for those, for just as many as
// there have to be. It reports whether it fits.
func plan(blocks, used, inodes int64) (layout, bool) {
	if l := lay(blocks, used, max(inodes, blocks*blockSize/bytesPerInode)); l.fits(inodes) {
		return l, true
	}
	l := lay(blocks, used, inodes)
	return l, l.fits(inodes)
}

func lay(blocks, used, inodes int64) layout {
	groups := groupsOf(blocks)
	perGroup := min(roundUp((inodes+groups-1)/groups, inodesPerBlock), maxGroupInodes)
	l := layout{blocks: blocks, groups: groups, groupNodes: perGroup, tables: used}
	l.blockMaps = l.tables + groups*perGroup/inodesPerBlock
	l.inodeMaps = l.blockMaps + groups
	l.end = l.inodeMaps + groups
	return l
}

func (l layout) fits(inodes int64) bool { return l.end <= l.blocks && l.groups*l.groupNodes >= inodes }

// need is the least number of blocks of a file system for so many blocks of content and inodes.
func need(content, inodes int64) int64 {
	blocks := max(content, MinSize/blockSize)
	for {
		l, fits := plan(blocks, headBlocks(blocks)+content, inodes)
		if fits {
			return blocks
		}
		// A larger one takes more itself, so this goes on until it is enough.
		blocks = max(l.end, blocks+1)
	}
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
