package config

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
)

// Validate checks a configuration that was not parsed, or was changed since. Its error is [Problems].
func (c Config) Validate() error { return check(c).orNil() }

func check(c Config) Problems {
	v := &validator{}
	v.numbers(c)
	v.node(c)
	v.sandbox(c)
	v.downloads(c.Preflight.Downloads)
	v.requests(c)
	v.network(c)
	v.hostServices(c.HostServices)
	v.telemetry(c)
	v.autostart(c)
	return v.problems
}

type validator struct{ problems Problems }

// say adds a problem.
func (v *validator) say(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// sayError adds a problem unless err is nil.
func (v *validator) sayError(path string, err error) {
	if err != nil {
		v.say(path, "%v", err)
	}
}

// maxMillis bounds times: a day.
const maxMillis = 24 * 60 * 60 * 1000

// Bounds of functions: V8 does not start with less memory, and WebAssembly cannot use more.
const (
	minFunctionMiB = 8
	maxFunctionMiB = 4096
	maxQueue       = 1 << 20
)

// Bounds of sandboxes: with less an agent does not start, and Linux has no more.
const (
	minPIDs      = 32
	maxPIDs      = 1 << 22
	minOpenFiles = 64
	maxOpenFiles = 1 << 20
	maxDiskMiB   = 1 << 20
)

// numbers checks the range of each number.
func (v *validator) numbers(c Config) {
	const unbounded = math.MaxInt64
	s := c.HostServices.Services
	for _, n := range []struct {
		path               string
		value, least, most int64
	}{
		{"node_limits.max_workloads", int64(c.NodeLimits.MaxWorkloads), 0, unbounded},
		{"node_limits.max_total_bytes", c.NodeLimits.MaxTotalBytes, 0, unbounded},
		{"node_limits.max_workload_bytes", c.NodeLimits.MaxWorkloadBytes, 0, unbounded},
		{"restart.max_starts", int64(c.Restart.MaxStarts), 0, unbounded},
		{"cache_max_bytes", c.CacheMaxBytes, 1, unbounded},
		{"machine_pool_size", int64(c.MachinePoolSize), 0, unbounded},
		{"machine_template.vcpu_count", int64(c.MachineTemplate.VCPUCount), 1, nex.MaxCPUs},
		{"machine_template.memsize_mib", int64(c.MachineTemplate.MemSizeMiB), nex.MinMemoryMiB, nex.MaxMemoryMiB},
		{"machine_template.pids", int64(c.MachineTemplate.PIDs), minPIDs, maxPIDs},
		{"machine_template.open_files", int64(c.MachineTemplate.OpenFiles), minOpenFiles, maxOpenFiles},
		{"machine_template.disk_mib", int64(c.MachineTemplate.DiskMiB), 1, maxDiskMiB},
		{"agent_handshake_timeout_ms", int64(c.AgentHandshakeTimeoutMs), 1, maxMillis},
		{"agent_ping_timeout_ms", int64(c.AgentPingTimeoutMs), 1, maxMillis},
		{"functions.max_concurrency", int64(c.Functions.MaxConcurrency), 0, nex.MaxConcurrency},
		{"functions.queue_size", int64(c.Functions.QueueSize), 0, maxQueue},
		{"functions.call_timeout_ms", int64(c.Functions.CallTimeoutMs), 1, nex.MaxCallTimeoutMillis},
		{"functions.memory_mib", int64(c.Functions.MemoryMiB), minFunctionMiB, maxFunctionMiB},
		{"functions.max_host_requests", int64(c.Functions.MaxHostRequests), 1, maxQueue},
		{"internal_node_port", int64(c.InternalNodePort), 0, math.MaxUint16},
		{"otel_metrics_port", int64(c.OtelMetricsPort), 0, math.MaxUint16},
		{"host_services.services.http.config.timeout_ms", int64(s.HTTP.Config.TimeoutMs), 1, maxMillis},
		{"host_services.services.http.config.max_body_bytes", s.HTTP.Config.MaxBodyBytes, 1, unbounded},
		{"host_services.services.kv.config.max_bytes", s.KV.Config.MaxBytes, 0, unbounded},
		{"host_services.services.objectstore.config.max_bytes", s.ObjectStore.Config.MaxBytes, 0, unbounded},
		{"host_services.services.messaging.config.request_timeout_ms", int64(s.Messaging.Config.RequestTimeoutMs), 1, maxMillis},
		{"host_services.services.messaging.config.request_many_timeout_ms", int64(s.Messaging.Config.RequestManyTimeoutMs), 1, maxMillis},
	} {
		v.number(n.path, n.value, n.least, n.most)
	}
	v.bucket("rate_limiters.bandwidth", c.RateLimiters.Bandwidth)
	v.bucket("rate_limiters.iops", c.RateLimiters.IOPS)
}

func (v *validator) number(path string, value, least, most int64) {
	switch {
	case value >= least && value <= most:
	case most == math.MaxInt64:
		v.say(path, "expected a number of at least %d, got %d", least, value)
	default:
		v.say(path, "expected a number from %d to %d, got %d", least, most, value)
	}
}

func (v *validator) bucket(path string, b *TokenBucket) {
	if b == nil {
		return
	}
	v.number(path+".one_time_burst", b.OneTimeBurst, 0, math.MaxInt64)
	v.number(path+".refill_time", b.RefillTime, 1, maxMillis)
	v.number(path+".size", b.Size, 1, math.MaxInt64)
}

// node checks what describes the node.
func (v *validator) node(c Config) {
	if nex.CheckName(c.Nexus) != nil {
		v.say("nexus", "expected at most %d letters, digits, _ and -, got %q", nex.MaxNameLength, clip(c.Nexus))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
		switch {
		case key == "":
			v.say(join("tags", key), "expected a name")
		case strings.HasPrefix(key, "nex."):
			v.say(join("tags", key), "tags that begin with nex. are set by the node itself: choose another name")
		}
	}
	if limit, err := time.ParseDuration(c.OrphanTimeout); err != nil || limit < 0 || limit > 0 && limit < time.Second {
		v.say("orphan_timeout", "expected a time of at least 1s such as 24h or 1h30m, or 0s for ever, got %q", clip(c.OrphanTimeout))
	}
	v.notEmpty("bin_path", c.BinPath)
	v.notEmpty("cni.bin_path", c.CNI.BinPath)
	if most, total := c.NodeLimits.MaxWorkloadBytes, c.NodeLimits.MaxTotalBytes; total > 0 && most > total {
		v.say("node_limits.max_workload_bytes", "expected at most node_limits.max_total_bytes, which is %d, got %d", total, most)
	}
}

// sandbox checks that of two ways to say the same only one is used.
func (v *validator) sandbox(c Config) {
	const both = "it contradicts %s: give one of the two"
	if c.KernelFile != "" && c.KernelFilepath != "" {
		v.say("kernel_file", both, "kernel_filepath")
	}
	if c.RootfsFile != "" && c.RootfsFilepath != "" {
		v.say("rootfs_file", both, "rootfs_filepath")
	}
}

// requests checks what decides about requests.
func (v *validator) requests(c Config) {
	if len(c.WorkloadTypes) == 0 {
		v.say("workload_types", "expected at least one of %s", typeNames())
	}
	for i, t := range c.WorkloadTypes {
		path := index("workload_types", i)
		switch {
		case !t.Valid():
			v.say(path, "expected one of %s, got %q", typeNames(), clip(string(t)))
		case slices.Contains(c.WorkloadTypes[:i], t):
			v.say(path, "%s is given twice: remove one of them", t)
		}
	}
	for i, key := range c.ValidIssuers {
		if !nkeys.IsValidPublicAccountKey(key) {
			v.say(index("valid_issuers", i), "expected the public key of an account nkey, which begins with A, got something else")
		}
	}
	for i, subject := range c.DenyTriggerSubjects {
		v.subject(index("deny_trigger_subjects", i), subject)
	}
}

// subject checks that s can be subscribed to, and reports whether it can.
func (v *validator) subject(path, s string) bool {
	const longest = 256 // as in requests
	ok := server.IsValidSubject(s) && len(s) <= longest && !strings.Contains(s, "\x00")
	if !ok {
		v.say(path, "expected a NATS subject of at most %d bytes, such as orders.*.new or orders.>, got %q", longest, clip(s))
	}
	return ok
}

func (v *validator) notEmpty(path string, list []string) {
	for i, s := range list {
		if s == "" {
			v.say(index(path, i), "expected the path of a directory, got an empty string")
		}
	}
}

// oneOf checks that value is among those allowed.
func (v *validator) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.say(path, "expected %s, got %q", strings.Join(allowed, " or "), clip(value))
	}
}

func (v *validator) telemetry(c Config) {
	v.oneOf("otel_metrics_exporter", c.OtelMetricsExporter, ExporterPrometheus, ExporterOTLP)
	v.oneOf("otel_traces_exporter", c.OtelTracesExporter, ExporterGRPC, ExporterHTTP)
	if c.OTLPExporterURL != "" {
		u, err := url.Parse(c.OTLPExporterURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
			v.say("otlp_exporter_url", "expected an http or https URL such as http://127.0.0.1:4317")
		}
		return
	}
	const missing = "it needs otlp_exporter_url, which is not given"
	if c.OtelMetrics && c.OtelMetricsExporter == ExporterOTLP {
		v.say("otel_metrics_exporter", missing)
	}
	if c.OtelTraces {
		v.say("otel_traces", missing)
	}
}

func typeNames() string {
	var names []string
	for _, t := range nex.WorkloadTypes {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// index appends the position in a list to a path.
func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
