package workload

import (
	"maps"
	"strings"
)

// environment is what a program is started with: its own, and what it may count on where it runs now, such as
// NATS_URL. A name counts as set in whatever case it is written.
func (w *Workload) environment() map[string]string {
	environment, defaults := w.spec.Environment, w.m.cfg.DefaultEnvironment
	if w.spec.Type.Function() || len(defaults) == 0 {
		return environment
	}
	isSet := func(preset string) bool {
		for name := range environment {
			if strings.EqualFold(name, preset) {
				return true
			}
		}
		return false
	}
	full := make(map[string]string, len(environment)+len(defaults))
	maps.Copy(full, environment)
	for preset, value := range defaults {
		if !isSet(preset) {
			full[preset] = value
		}
	}
	return full
}
