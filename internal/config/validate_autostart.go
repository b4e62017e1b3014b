package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	nex "github.com/nex-engine/nex"
)

// autostart checks the workloads that the node starts by itself as it would check requests: what it
// would refuse then is better known now.
func (v *validator) autostart(c Config) {
	const list = "autostart.workloads"
	workloads := c.Autostart.Workloads
	if most := c.NodeLimits.MaxWorkloads; most > 0 && len(workloads) > most {
		v.say(list, "it has %d workloads, more than node_limits.max_workloads, which is %d", len(workloads), most)
	}
	first := map[[2]string]string{}
	for i, w := range workloads {
		path, key := index(list, i), [2]string{w.Namespace, w.Name}
		if other, twice := first[key]; !twice {
			first[key] = path
		} else if w.Name != "" {
			v.say(path+".name", "%s in namespace %s is also %s: choose another name", clip(w.Name), clip(w.Namespace), other)
		}
		v.autostartWorkload(path, w)
		v.autostartArtifact(path, w, c)
		v.autostartTriggers(path, w, c.DenyTriggerSubjects)
		v.autostartSandbox(path, w, c)
	}
}

func (v *validator) autostartWorkload(path string, w AutostartWorkload) {
	v.sayError(path+".name", nex.CheckName(w.Name))
	v.sayError(path+".namespace", nex.CheckNamespace(w.Namespace))
	v.sayError(path+".restart", w.Restart.Check(w.Type, w.Essential))
	if len(w.Description) > nex.MaxDescription {
		v.say(path+".description", "expected at most %d bytes, got %d", nex.MaxDescription, len(w.Description))
	}
	if len(w.Argv) > nex.MaxArgs {
		v.say(path+".argv", "expected at most %d arguments, got %d", nex.MaxArgs, len(w.Argv))
	}
	for i, arg := range w.Argv {
		if strings.Contains(arg, "\x00") {
			v.say(index(path+".argv", i), "expected no NUL byte")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Environment)) {
		switch at := join(path+".environment", name); {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			v.say(at, "expected a name of an environment variable")
		case strings.Contains(w.Environment[name], "\x00"):
			v.say(at, "expected no NUL byte")
		}
	}
}

// autostartArtifact checks type and location.
func (v *validator) autostartArtifact(path string, w AutostartWorkload, c Config) {
	switch {
	case !w.Type.Valid():
		v.say(path+".type", "expected one of %s, got %q", typeNames(), clip(string(w.Type)))
	case !slices.Contains(c.WorkloadTypes, w.Type):
		v.say(path+".type", "it contradicts workload_types, which lacks %s", w.Type)
	}
	location, err := nex.ParseLocation(w.Location)
	switch {
	case w.Location == "":
		v.say(path+".location", "expected a URL such as nats://BUCKET/key")
	case err != nil:
		v.sayError(path+".location", err)
	case w.Type.Valid() && location.CheckType(w.Type) != nil:
		v.sayError(path+".location", location.CheckType(w.Type))
	case location.Scheme == nex.SchemeFile && !c.AllowFileArtifacts:
		v.say(path+".location", "a file location needs allow_file_artifacts, which is false")
	case location.Scheme != nex.SchemeNATS && w.JSDomain != "":
		v.say(path+".jsdomain", "it is for nats locations only, and this one is %s", location.Scheme)
	}
}

// autostartTriggers checks that functions have triggers, that they alone do, and that no trigger is
// denied.
func (v *validator) autostartTriggers(path string, w AutostartWorkload, denied []string) {
	path += ".trigger_subjects"
	switch {
	case w.Type.Function() && len(w.TriggerSubjects) == 0:
		v.say(path, "a %s workload runs only when it is triggered: give at least one subject", w.Type)
	case w.Type.Valid() && !w.Type.Function() && len(w.TriggerSubjects) > 0:
		v.say(path, "a %s workload has no triggers, only functions (v8, wasm) do", w.Type)
	case len(w.TriggerSubjects) > nex.MaxTriggers:
		v.say(path, "expected at most %d subjects, got %d", nex.MaxTriggers, len(w.TriggerSubjects))
	}
	for i, subject := range w.TriggerSubjects {
		if !v.subject(index(path, i), subject) {
			continue
		}
		for _, d := range slices.Concat(nex.ReservedSubjects, denied) {
			if server.IsValidSubject(d) && server.SubjectsCollide(subject, d) {
				v.say(index(path, i), "%q overlaps with %q, which triggers are denied", clip(subject), clip(d))
				break
			}
		}
	}
}

// autostartSandbox checks how functions run, and what is asked of the sandbox.
func (v *validator) autostartSandbox(path string, w AutostartWorkload, c Config) {
	v.number(path+".max_concurrency", int64(w.MaxConcurrency), 0, nex.MaxConcurrency)
	v.number(path+".call_timeout_ms", int64(w.CallTimeoutMs), 0, nex.MaxCallTimeoutMillis)
	service := w.Type.Valid() && !w.Type.Function()
	if service && w.MaxConcurrency > 0 {
		v.say(path+".max_concurrency", "a %s workload has no calls, only functions (v8, wasm) do", w.Type)
	}
	if service && w.CallTimeoutMs > 0 {
		v.say(path+".call_timeout_ms", "a %s workload has no calls, only functions (v8, wasm) do", w.Type)
	}
	switch {
	case w.MinSandbox == "":
	case !w.MinSandbox.Valid():
		v.say(path+".min_sandbox", "expected none, gvisor or microvm, got %q", clip(string(w.MinSandbox)))
	case c.NoSandbox && w.MinSandbox != nex.SandboxNone:
		v.say(path+".min_sandbox", "it contradicts no_sandbox, with which the level is none")
	}
	if w.MemoryMiB != 0 {
		v.number(path+".memory_mib", int64(w.MemoryMiB), nex.MinMemoryMiB, nex.MaxMemoryMiB)
	}
	if w.CPUs != 0 && !(w.CPUs >= nex.MinCPUs && w.CPUs <= nex.MaxCPUs) { // not a number is neither
		v.say(path+".cpus", "expected a number from %v to %v, got %v", nex.MinCPUs, nex.MaxCPUs, w.CPUs)
	}
	v.egress(path+".egress", w.Egress)
	if w.Type.Function() && !w.Egress.IsZero() {
		v.say(path+".egress", "it is for workloads with a network, and a %s function has none", w.Type)
	}
}
