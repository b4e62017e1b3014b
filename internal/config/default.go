package config

import (
	"slices"

	nex "github.com/nex-engine/nex"
)

// Default is the configuration of an empty file. It shares nothing with other values.
func Default() Config {
	bucket := Service[BucketConfig]{Enabled: true, Config: BucketConfig{MaxBytes: 512 << 10, JITProvision: true}}
	return Config{
		Nexus:                   "nexus",
		WorkloadTypes:           slices.Clone(nex.WorkloadTypes),
		Restart:                 Restart{MaxStarts: 10},
		OrphanTimeout:           "24h",
		CacheMaxBytes:           10 << 30,
		MachinePoolSize:         1,
		MachineTemplate:         MachineTemplate{VCPUCount: 1, MemSizeMiB: 256, PIDs: 512, OpenFiles: 4096, DiskMiB: 512},
		CNI:                     CNI{InterfaceName: "veth0", NetworkName: "fcnet"},
		PreserveNetwork:         true,
		AgentHandshakeTimeoutMs: 5000,
		AgentPingTimeoutMs:      750,
		Functions:               Functions{QueueSize: 1024, CallTimeoutMs: 5000, MemoryMiB: 128, MaxHostRequests: 64},
		HostServices: HostServices{Services: Services{
			HTTP:        Service[HTTPConfig]{Enabled: true, Config: HTTPConfig{TimeoutMs: 5000, MaxBodyBytes: 1 << 20}},
			KV:          bucket,
			Messaging:   Service[MessagingConfig]{Enabled: true, Config: MessagingConfig{RequestTimeoutMs: 750, RequestManyTimeoutMs: 3000}},
			ObjectStore: bucket,
		}},
		InternalNodeHost:    "127.0.0.1",
		OtelMetricsPort:     8085,
		OtelMetricsExporter: ExporterPrometheus,
		OtelTracesExporter:  ExporterGRPC,
	}
}
