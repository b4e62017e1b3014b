package rootfs

import "os"

// blockSize is what files are rounded up to.
const blockSize = 4096

// Size is how large a directory is with all below it.
type Size struct {
	// Bytes is what its files take, each rounded up to 4 KiB; directories and links count as 4 KiB.
	// A file with several names counts once where the system tells.
	Bytes int64 `json:"bytes"`
	// Files is how many files, directories and links there are.
	Files int `json:"files"`
}

// Measure measures a directory.
func Measure(root *os.Root) (Size, error) {
	m := measurement{seen: make(map[inode]struct{})}
	err := m.walk(root)
	return m.Size, err
}

// measurement is a Size in the making.
type measurement struct {
	Size
	seen map[inode]struct{} // files that have several names
}

func (m *measurement) walk(in *os.Root) error {
	names, err := list(in)
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := in.Lstat(name)
		if err != nil {
			return err
		}
		m.add(info)
		if !info.IsDir() {
			continue
		}
		if err := m.descend(in, name); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) descend(in *os.Root, name string) error {
	below, err := in.OpenRoot(name)
	if err != nil {
		return err
	}
	defer below.Close() // only read
	return m.walk(below)
}

func (m *measurement) add(info os.FileInfo) {
	m.Files++
	if !info.Mode().IsRegular() {
		m.Bytes += blockSize
		return
	}
	if id, several := inodeOf(info); several {
		if _, ok := m.seen[id]; ok {
			return
		}
		m.seen[id] = struct{}{}
	}
	m.Bytes += (info.Size() + blockSize - 1) / blockSize * blockSize
}
