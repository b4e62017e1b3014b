package initramfs

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// module is one that is taken.
type module struct {
	name    string // with underscores
	level   int    // above those of all that it needs, and of steps before
	content []byte // not compressed
}

// chooser finds modules, and those that they need.
type chooser struct {
	dir     string
	release string            // of the kernel; empty: not known
	files   map[string]string // by name
	builtin map[string]bool
	state   map[string]state
	levels  map[string]int // of modules that are done
	lowest  int            // of the step
	chosen  []module       // each behind those that it needs
}

type state byte

const (
	entered state = iota + 1
	done
)

func newChooser(dir, release string) (*chooser, error) {
	c := chooser{dir: dir, release: release, state: map[string]state{}, levels: map[string]int{}}
	var err error
	if c.files, err = findModules(dir); err != nil {
		return nil, err
	}
	c.builtin, err = readBuiltin(filepath.Join(dir, "modules.builtin"))
	return &c, err
}

// clone is a chooser that has chosen the same before.
func (c *chooser) clone() *chooser {
	clone := *c
	clone.state, clone.levels = maps.Clone(c.state), maps.Clone(c.levels)
	return &clone
}

// choose returns the modules of these names, and those that they need and that were not chosen before, in the order
// in which to load them, step by step.
func (c *chooser) choose(steps [][]string) ([]module, error) {
	c.chosen, c.lowest = nil, 0
	for _, names := range steps {
		for _, name := range names {
			if err := c.add(normal(name), ""); err != nil {
				return nil, err
			}
		}
		for _, m := range c.chosen {
			c.lowest = max(c.lowest, m.level+1)
		}
	}
	return c.chosen, nil
}

func (c *chooser) add(name, wanted string) error {
	switch {
	case c.builtin[name] || c.state[name] == done:
		return nil
	case c.state[name] == entered:
		return fmt.Errorf("module %s needs itself, by way of %s", name, wanted)
	case c.files[name] == "" && wanted != "":
		return fmt.Errorf("%s has no module %s, which %s needs: name the whole directory of one version of a kernel", c.dir, name, wanted)
	case c.files[name] == "":
		return fmt.Errorf("%s has no module %s: name the directory of the modules of one version of a kernel, such as /lib/modules/6.1.0", c.dir, name)
	}
	c.state[name] = entered
	content, err := readModule(c.files[name])
	if err != nil {
		return err
	}
	needs, err := dependencies(content)
	if err != nil {
		return fmt.Errorf("%s is no kernel module: %w", c.files[name], err)
	}
	if c.release != "" && needs.release != "" && needs.release != c.release {
		return fmt.Errorf("%s has modules of kernel %s, and the kernel is %s: name the directory of its modules, such as /lib/modules/%[3]s", c.dir, needs.release, c.release)
	}
	for _, need := range needs.hard {
		if err := c.add(need, name); err != nil {
			return err
		}
	}
	for _, need := range needs.soft {
		// It may be the name of something that several modules have; without, the module does with less.
		if c.files[need] != "" && c.state[need] == 0 {
			if err := c.add(need, name); err != nil {
				return err
			}
		}
	}
	level := c.lowest
	for _, need := range slices.Concat(needs.hard, needs.soft) {
		if below, ok := c.levels[need]; ok {
			level = max(level, below+1)
		}
	}
	c.state[name], c.levels[name] = done, level
	c.chosen = append(c.chosen, module{name, level, unsigned(content)})
	return nil
}

// Behind a signature are 12 bytes about it, of which the last four are its length, the highest first, and this.
const (
	signed        = "~Module signature appended~\n"
	signatureInfo = 12
)

// unsigned takes the signature from a module. Who could change the module could change the kernel that looks at it,
// and that takes time at each start of a VM.
func unsigned(content []byte) []byte {
	rest, ok := bytes.CutSuffix(content, []byte(signed))
	if !ok || len(rest) < signatureInfo {
		return content
	}
	size := int64(signatureInfo) + int64(binary.BigEndian.Uint32(rest[len(rest)-4:]))
	if size > int64(len(rest)) {
		return content
	}
	return rest[:int64(len(rest))-size]
}

// findModules returns the files of the modules below a directory by their names.
func findModules(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, _, ok := strings.Cut(d.Name(), ".ko"); ok && d.Type().IsRegular() {
			files[normal(name)] = file
		}
		return nil
	})
	return files, err
}

// readBuiltin returns the names of modules.builtin, which lists paths; without it nothing is known to be built in.
func readBuiltin(file string) (map[string]bool, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		names[normal(strings.TrimSuffix(path.Base(lines.Text()), ".ko"))] = true
	}
	return names, lines.Err()
}

// normal makes the names of files and modules the same: the kernel takes hyphens for underscores.
func normal(name string) string { return strings.ReplaceAll(strings.TrimSpace(name), "-", "_") }

// needs are the modules that one needs, those that it can do without, and the release of the kernel that it is made for;
// empty if it does not say.
type needs struct {
	hard, soft []string
	release    string
}

// maxInfo bounds what a module says of itself.
const maxInfo = 1 << 20

// dependencies reads what a module says of itself: strings "name=value", each with a zero byte behind it.
func dependencies(content []byte) (needs, error) {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return needs{}, err
	}
	section := f.Section(".modinfo")
	if section == nil || section.Type != elf.SHT_PROGBITS || section.Size > maxInfo {
		return needs{}, errors.New("it says nothing of itself")
	}
	info, err := section.Data()
	if err != nil {
		return needs{}, err
	}
	var n needs
	for line := range bytes.SplitSeq(info, []byte{0}) {
		name, value, _ := strings.Cut(string(line), "=")
		switch {
		case name == "depends":
			for need := range strings.SplitSeq(value, ",") {
				if need != "" {
					n.hard = append(n.hard, normal(need))
				}
			}
		case name == "vermagic":
			n.release, _, _ = strings.Cut(value, " ")
		case name == "softdep":
			before, ok := strings.CutPrefix(value, "pre:")
			before, _, _ = strings.Cut(before, "post:")
			if ok {
				for need := range strings.FieldsSeq(before) {
					n.soft = append(n.soft, normal(need))
				}
			}
		}
	}
	return n, nil
}
