package agent

import (
	"maps"
	"runtime"
	"slices"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

// Variables that tell a workload who it is. A user's values for them do not count.
const (
	envWorkloadID   = "NEX_WORKLOAD_ID"
	envWorkloadName = "NEX_WORKLOAD_NAME"
	envNamespace    = "NEX_NAMESPACE"
	// envAgentID is how processes are found that got lost: see package proctree.
	envAgentID = "NEX_AGENT_ID"
)

// environment makes the workload's environment, which holds nothing of the agent's own: what the
// user gave, each name in upper case as well unless that is given too (so that nats_url=… can be
// read as NATS_URL), what its image says, defaults for what most programs expect, and who the workload is.
func (a *agent) environment(d agentlink.Deploy) ([]string, error) {
	env := make(map[string]string, 2*len(d.Environment)+8)
	for _, name := range slices.Sorted(maps.Keys(d.Environment)) {
		value := d.Environment[name]
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return nil, nex.Errorf(nex.CodeInvalidRequest, "the environment of workload %s has a variable %q that is empty or holds = or a NUL byte: rename it", d.Name, name)
		}
		env[name] = value
	}
	for name, value := range imageEnvironment(d.Image) {
		setDefault(env, name, value)
	}
	for name, value := range a.defaults() { // first, so that path=… is not taken for PATH
		setDefault(env, name, value)
	}
	for name, value := range upperCased(d.Environment) {
		setDefault(env, name, value)
	}
	a.identify(env, d)

	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list, nil
}

// identify says who the workload is.
func (a *agent) identify(env map[string]string, d agentlink.Deploy) {
	env[envWorkloadID] = d.WorkloadID
	env[envWorkloadName] = d.Name
	env[envNamespace] = d.Namespace
	env[envAgentID] = a.id
}

// functionEnvironment is what the user gave, and who the workload is: a function has no use for what
// programs expect besides.
func (a *agent) functionEnvironment(d agentlink.Deploy) map[string]string {
	env := make(map[string]string, len(d.Environment)+4)
	maps.Copy(env, d.Environment)
	a.identify(env, d)
	return env
}

// upperCased returns the variables under their names in upper case. Of two that become the same the
// first in order counts.
func upperCased(given map[string]string) map[string]string {
	upper := make(map[string]string, len(given))
	if runtime.GOOS == "windows" {
		return upper // there the names are the same anyway
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		setDefault(upper, strings.ToUpper(name), given[name])
	}
	return upper
}

func (a *agent) defaults() map[string]string {
	if runtime.GOOS == "windows" {
		return map[string]string{
			"PATH":        `C:\Windows\System32;C:\Windows`,
			"USERPROFILE": a.cfg.WorkDir,
			"TEMP":        a.cfg.TempDir,
			"TMP":         a.cfg.TempDir,
		}
	}
	return map[string]string{
		"PATH":   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":   a.cfg.WorkDir,
		"TMPDIR": a.cfg.TempDir,
	}
}

func setDefault(env map[string]string, name, value string) {
	if _, given := env[name]; !given {
		env[name] = value
	}
}
