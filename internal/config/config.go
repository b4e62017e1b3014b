// Package config is the node's configuration file: JSON, read strictly.
//
// What is not in the file has its default ([Default]). A field that does not exist, a value of the
// wrong type, a field given twice, null, and settings that make no sense or contradict each other
// are errors that name the field by its path, such as autostart.workloads[1].type, say what was
// expected, and are all reported at once ([Problems]). Values that are secrets are never repeated.
//
// docs/configuration.md is the reference, held to this package by a test. Adding a field takes a
// struct field here, its default, a row in fields.go, and its check.
//
// The package reads the one file it is told to and does nothing else. Values are plain data: safe to
// read from many goroutines as long as nobody changes them.
package config

import (
	"encoding/json"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natsconn"
)

// Config is a node's configuration. Times are in milliseconds, sizes in bytes, unless their names say
// otherwise. Get one from [Load], [Parse] or [Default]; the zero value is not valid.
type Config struct {
	// Nexus is the name of the group of nodes that this one belongs to. Default "nexus".
	Nexus string `json:"nexus"`
	// Tags are shown by the node and asked for in auctions, besides those it sets itself, which begin
	// with "nex.". Default none.
	Tags map[string]string `json:"tags,omitempty"`
	// DefaultResourceDir is where kernel and rootfs are looked for. Default the data directory: see
	// [Config.ResourceDir].
	DefaultResourceDir string `json:"default_resource_dir,omitempty"`
	// PIDFilepath is the locked file with the process id. Default in the data directory: see
	// [Config.PIDPath].
	PIDFilepath string `json:"pid_filepath,omitempty"`
	// BinPath are the directories of the programs that the node starts. Default the directory of the
	// running program, then the PATH.
	BinPath []string `json:"bin_path,omitempty"`

	// WorkloadTypes are the types that the node accepts. Default all of [nex.WorkloadTypes].
	WorkloadTypes []nex.WorkloadType `json:"workload_types"`
	// NodeLimits bound what runs on the node.
	NodeLimits NodeLimits `json:"node_limits"`
	// Restart bounds the restarts of workloads.
	Restart Restart `json:"restart"`
	// OrphanTimeout is how long workloads go on without their node, as [time.ParseDuration] reads it; "0s" is
	// for ever. Default "24h": see [Config.OrphanLimit].
	OrphanTimeout string `json:"orphan_timeout"`
	// CacheMaxBytes is what cached artifacts may take on disk; those in use are kept even if they take
	// more. Default 10 GiB.
	CacheMaxBytes int64 `json:"cache_max_bytes"`
	// Autostart is what the node starts by itself.
	Autostart Autostart `json:"autostart"`

	// ValidIssuers are the account nkeys whose signed requests the node obeys. Default none, which
	// means any.
	ValidIssuers []string `json:"valid_issuers,omitempty"`
	// RequireBoundClaims refuses requests whose claims are not bound to them. Default nil: see
	// [Config.BoundClaims].
	RequireBoundClaims *bool `json:"require_bound_claims,omitempty"`
	// AllowUnverifiedArtifacts accepts claims whose hash is not a digest. Default false.
	AllowUnverifiedArtifacts bool `json:"allow_unverified_artifacts"`
	// AllowFileArtifacts accepts file locations, which are files of the node. Default false.
	AllowFileArtifacts bool `json:"allow_file_artifacts"`
	// DenyTriggerSubjects are what no trigger may overlap with, besides [nex.ReservedSubjects].
	// Default none.
	DenyTriggerSubjects []string `json:"deny_trigger_subjects,omitempty"`

	// NoSandbox runs workloads as ordinary processes of the node's user. Default false.
	NoSandbox bool `json:"no_sandbox"`
	// MachinePoolSize is the number of agents started ahead of need; 0 starts each when it is needed.
	// Default 1.
	MachinePoolSize int `json:"machine_pool_size"`
	// MachineTemplate is what a workload may take of the machine, unless its request says otherwise.
	MachineTemplate MachineTemplate `json:"machine_template"`
	// KernelFile is a file name in the resource directory, KernelFilepath a path; at most one is
	// given. Default "vmlinux" in the resource directory: see [Config.KernelPath].
	KernelFile     string `json:"kernel_file,omitempty"`
	KernelFilepath string `json:"kernel_filepath,omitempty"`
	// RootfsFile and RootfsFilepath are likewise. Default "rootfs.ext4": see [Config.RootfsPath].
	RootfsFile     string `json:"rootfs_file,omitempty"`
	RootfsFilepath string `json:"rootfs_filepath,omitempty"`
	// KernelModules is the directory with the modules of a kernel that does not have all built in that microVMs
	// need, as those of distributions. Default none.
	KernelModules string `json:"kernel_modules,omitempty"`
	// Preflight is for nex node preflight alone.
	Preflight Preflight `json:"preflight"`
	// RateLimiters bound each sandbox's input and output.
	RateLimiters RateLimiters `json:"rate_limiters"`
	// CNI is the network of the sandboxes.
	CNI CNI `json:"cni"`
	// Egress bounds where workloads may connect to: what they ask for narrows it. Default public addresses.
	Egress nex.Egress `json:"egress"`
	// PreserveNetwork leaves network objects without the node's prefix alone. Default true.
	PreserveNetwork bool `json:"preserve_network"`
	// AgentHandshakeTimeoutMs bounds the time from an agent's start to its handshake. Default 5000.
	AgentHandshakeTimeoutMs int `json:"agent_handshake_timeout_ms"`
	// AgentPingTimeoutMs bounds an agent's answer to a ping. Default 750.
	AgentPingTimeoutMs int `json:"agent_ping_timeout_ms"`

	// Functions bounds how functions run.
	Functions Functions `json:"functions"`
	// HostServices are what functions may ask of the node.
	HostServices HostServices `json:"host_services"`

	// InternalNodeHost is the loopback address of the internal NATS server. Default "127.0.0.1".
	InternalNodeHost string `json:"internal_node_host"`
	// InternalNodePort is its port; 0 is any free one. Default 0.
	InternalNodePort int `json:"internal_node_port"`
	// PublicNATSServer are options of the NATS server, as the JSON object in the file; with it the node
	// starts a server for users. Default nil, no server.
	PublicNATSServer json.RawMessage `json:"public_nats_server,omitempty"`

	// OtelMetrics exports metrics. Default false.
	OtelMetrics bool `json:"otel_metrics"`
	// OtelMetricsPort is where prometheus fetches them; 0 is any free one. Default 8085.
	OtelMetricsPort int `json:"otel_metrics_port"`
	// OtelMetricsExporter is [ExporterPrometheus] or [ExporterOTLP]. Default prometheus.
	OtelMetricsExporter string `json:"otel_metrics_exporter"`
	// OtelTraces exports traces. Default false.
	OtelTraces bool `json:"otel_traces"`
	// OtelTracesExporter is the protocol, [ExporterGRPC] or [ExporterHTTP]. Default grpc.
	OtelTracesExporter string `json:"otel_traces_exporter"`
	// OTLPExporterURL is the collector, required by the exporters that push. Default none.
	OTLPExporterURL string `json:"otlp_exporter_url,omitempty"`
}

// The exporters of metrics and of traces.
const (
	ExporterPrometheus = "prometheus"
	ExporterOTLP       = "otlp"
	ExporterGRPC       = "grpc"
	ExporterHTTP       = "http"
)

// NodeLimits bound what runs on a node. 0, the default of each, is no limit.
type NodeLimits struct {
	MaxWorkloads     int   `json:"max_workloads"`      // at one time
	MaxTotalBytes    int64 `json:"max_total_bytes"`    // of the artifacts of all that run
	MaxWorkloadBytes int64 `json:"max_workload_bytes"` // of one artifact
}

// Restart bounds restarts.
type Restart struct {
	// MaxStarts is the number of starts in a row after which a workload has failed; 0 is no end.
	// Default 10.
	MaxStarts int `json:"max_starts"`
}

// Autostart is what a node starts by itself.
type Autostart struct {
	Workloads []AutostartWorkload `json:"workloads,omitempty"`
}

// AutostartWorkload is a workload that a node starts by itself. Name, type and location are required,
// trigger subjects of functions as well.
type AutostartWorkload struct {
	Name string `json:"name"`
	// Namespace is [nex.DefaultNamespace] if the file has none.
	Namespace   string   `json:"namespace"`
	Description string   `json:"description,omitempty"`
	Argv        []string `json:"argv,omitempty"`
	// Essential workloads are restarted when they end. Default false.
	Essential bool `json:"essential,omitempty"`
	// Restart says when the service is started again. Default always if Essential is set, else never;
	// functions always are.
	Restart  nex.RestartPolicy `json:"restart,omitempty"`
	Type     nex.WorkloadType  `json:"type"`
	Location string            `json:"location"` // a URL, as for [nex.ParseLocation]
	JSDomain string            `json:"jsdomain,omitempty"`
	// Environment is in the clear: protect the file.
	Environment     map[string]string `json:"environment,omitempty"`
	TriggerSubjects []string          `json:"trigger_subjects,omitempty"`
	// MaxConcurrency and CallTimeoutMs are for functions; 0 takes those of [Functions].
	MaxConcurrency int `json:"max_concurrency,omitempty"`
	CallTimeoutMs  int `json:"call_timeout_ms,omitempty"`
	// MinSandbox is the weakest level that will do. Default any.
	MinSandbox nex.SandboxLevel `json:"min_sandbox,omitempty"`
	// MemoryMiB and CPUs bound what it takes of the machine; 0 takes those of [MachineTemplate].
	MemoryMiB int     `json:"memory_mib,omitempty"`
	CPUs      float64 `json:"cpus,omitempty"`
	// Egress narrows [Config.Egress]; not for functions.
	Egress nex.Egress `json:"egress,omitzero"`
}

// MachineTemplate is what a workload, with its agent, may take of the machine.
type MachineTemplate struct {
	VCPUCount  int `json:"vcpu_count"`  // default 1
	MemSizeMiB int `json:"memsize_mib"` // default 256
	// PIDs are processes and threads. Default 512.
	PIDs int `json:"pids"`
	// OpenFiles are those of one process. Default 4096.
	OpenFiles int `json:"open_files"`
	// DiskMiB is for all that is written inside. Default 512.
	DiskMiB int `json:"disk_mib"`
}

// Preflight is what nex node preflight does besides checking.
type Preflight struct {
	Downloads Downloads `json:"downloads"`
}

// Downloads say where to get what virtual machines need. Default nil, nowhere.
type Downloads struct {
	Kernel      *Download `json:"kernel,omitempty"`      // for [Config.KernelPath]
	Rootfs      *Download `json:"rootfs,omitempty"`      // for [Config.RootfsPath]
	Firecracker *Download `json:"firecracker,omitempty"` // for the first directory of bin_path
	Jailer      *Download `json:"jailer,omitempty"`      // likewise
}

// Download is where a file lies.
type Download struct {
	// URL is an http, https or file URL, or a path. It may have a secret in it. Required.
	URL string `json:"url"`
	// SHA256 is the digest, in hex, of what lies there, as it lies there. Required.
	SHA256 string `json:"sha256"`
	// Member is the name of the file in the tar archive that lies there. Default none: it is no archive.
	Member string `json:"member,omitempty"`
}

// RateLimiters bound a sandbox's input and output. Default nil, unlimited.
type RateLimiters struct {
	Bandwidth *TokenBucket `json:"bandwidth,omitempty"` // a token is a byte
	IOPS      *TokenBucket `json:"iops,omitempty"`      // a token is an operation
}

// TokenBucket is a rate: Size tokens every RefillTime milliseconds. Both are required.
type TokenBucket struct {
	// OneTimeBurst are tokens at the start that are never refilled. Default 0.
	OneTimeBurst int64 `json:"one_time_burst"`
	RefillTime   int64 `json:"refill_time"`
	Size         int64 `json:"size"`
}

// DefaultSubnet is the network of the sandboxes of the first node of a machine.
const DefaultSubnet = "192.168.127.0/24"

// CNI is the network of the sandboxes.
type CNI struct {
	// BinPath are the directories of CNI plugins. Default none: the built-in network.
	BinPath []string `json:"bin_path,omitempty"`
	// InterfaceName is the interface's name inside. Default "veth0".
	InterfaceName string `json:"interface_name"`
	// NetworkName is the CNI network's name. Default "fcnet".
	NetworkName string `json:"network_name"`
	// Subnet is the IPv4 network of the sandboxes. Default none: [DefaultSubnet], or the next one that no
	// other node of the machine has.
	Subnet string `json:"subnet,omitempty"`
	// Nameservers are the IP addresses that sandboxes ask for names. Default the host's.
	Nameservers []string `json:"nameservers,omitempty"`
}

// Functions bounds how functions run.
type Functions struct {
	// MaxConcurrency is how many calls of a function run at one time, unless its request says
	// otherwise; 0, the default, is one for each processor of its sandbox.
	MaxConcurrency int `json:"max_concurrency"`
	// QueueSize is how many more calls may wait for their turn; more are refused. Default 1024.
	QueueSize int `json:"queue_size"`
	// CallTimeoutMs bounds a call, waiting for its turn included, unless the function's request says
	// otherwise. Default 5000.
	CallTimeoutMs int `json:"call_timeout_ms"`
	// MemoryMiB bounds what one call, or the instance that runs it, uses. Default 128.
	MemoryMiB int `json:"memory_mib"`
	// MaxHostRequests bounds the host service requests that a function has under way. Default 64.
	MaxHostRequests int `json:"max_host_requests"`
}

// HostServices are what functions may ask of the node.
type HostServices struct {
	// NATSURL is where they connect to; several servers have commas between. Default the node's
	// connection for workloads.
	NATSURL string `json:"nats_url,omitempty"`
	// NATSContext is a NATS context, by name or as the path of its .json file, which supplies what the others leave
	// out: all that there is of connection settings. Default none.
	NATSContext string `json:"nats_context,omitempty"`
	// NATSUserJWT and NATSUserSeed are the credentials there. Default none; both or neither.
	NATSUserJWT  string   `json:"nats_user_jwt,omitempty"`
	NATSUserSeed string   `json:"nats_user_seed,omitempty"`
	Services     Services `json:"services"`
}

// HostServicesField is the field of [HostServices].
const HostServicesField = "host_services"

// Connection are the settings of the connection that host services have of their own, and whether they have one.
func (h HostServices) Connection() (settings natsconn.Settings, own bool) {
	s := natsconn.Of(HostServicesField, nex.Connection{URL: h.NATSURL, UserJWT: h.NATSUserJWT, UserSeed: h.NATSUserSeed})
	return s.WithContext(h.NATSContext), h.NATSURL != "" || h.NATSContext != ""
}

// Services are the host services.
type Services struct {
	HTTP        Service[HTTPConfig]      `json:"http"`
	KV          Service[BucketConfig]    `json:"kv"`
	Messaging   Service[MessagingConfig] `json:"messaging"`
	ObjectStore Service[BucketConfig]    `json:"objectstore"`
}

// Service is one host service with its own configuration.
type Service[C any] struct {
	Enabled bool `json:"enabled"` // default true
	Config  C    `json:"config"`
}

// BucketConfig configures kv and objectstore.
type BucketConfig struct {
	// BucketName may contain ${namespace} and ${workload_name}. Default a name that the node makes
	// and that no two workloads share.
	BucketName string `json:"bucket_name,omitempty"`
	// MaxBytes bounds a bucket; 0 is no limit. Default 524288.
	MaxBytes int64 `json:"max_bytes"`
	// JITProvision makes a bucket when it is first used. Default true.
	JITProvision bool `json:"jit_provision"`
}

// MessagingConfig configures messaging.
type MessagingConfig struct {
	RequestTimeoutMs     int `json:"request_timeout_ms"`      // default 750
	RequestManyTimeoutMs int `json:"request_many_timeout_ms"` // default 3000
}

// HTTPConfig configures http.
type HTTPConfig struct {
	// Allow are the hosts that may be called: names, *.names, addresses, networks. Private, loopback
	// and link-local ones are refused unless they are listed. Default none, which means every public
	// host.
	Allow []string `json:"allow,omitempty"`
	// TimeoutMs bounds a call. Default 5000.
	TimeoutMs int `json:"timeout_ms"`
	// MaxBodyBytes bounds the body of a request and of a response. Default 1048576.
	MaxBodyBytes int64 `json:"max_body_bytes"`
}
