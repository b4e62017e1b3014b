package hostinfo

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	nex "github.com/nex-engine/nex"
)

// memory reads /proc/meminfo, whose figures are in kB; see proc_meminfo(5).
func memory() *nex.MemoryInfo {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	var m nex.MemoryInfo
	into := map[string]*int{"MemTotal:": &m.Total, "MemFree:": &m.Free, "MemAvailable:": &m.Available}
	lines := bufio.NewScanner(f)
	for left := len(into); left > 0 && lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || into[fields[0]] == nil {
			continue
		}
		n, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil
		}
		*into[fields[0]] = n
		left--
	}
	return &m
}
