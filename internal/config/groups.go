package config

// group is a part of the reference.
type group struct {
	title string
	rows  []row
}

// row describes one field. Its default is that of [Default] unless unset says it in words.
type row struct{ path, unset, meaning string }

const required = "required"

// groups are the words of the reference; a test sees to it that no field is missing.
func groups() []group {
	const services = "host_services.services."
	const downloads = "preflight.downloads."
	return []group{
		{"The node", []row{
			{"nexus", "", "name of the group of nodes that this one belongs to"},
			{"tags", "", "shown by the node and asked for in auctions; names that begin with `nex.` are the node's own"},
			{"default_resource_dir", "the data directory", "where kernel and root file system are looked for"},
			{"pid_filepath", "`node.pid` in the data directory", "file with the process id; it is locked, so that a stale one is no obstacle"},
			{"bin_path", "the directory of the `nex` binary, then `$PATH`", "directories of the programs that the node starts, such as `nex-agent`"},
		}},
		{"Workloads", []row{
			{"workload_types", "", "the types that the node accepts"},
			{"node_limits.max_workloads", "", "workloads at one time; 0 is no limit"},
			{"node_limits.max_total_bytes", "", "bytes of the artifacts of all that run; 0 is no limit"},
			{"node_limits.max_workload_bytes", "", "bytes of one artifact; 0 is no limit"},
			{"restart.max_starts", "", "starts in a row after which a workload that is started again has failed; 0 is no end"},
			{"orphan_timeout", "", "how long workloads go on without their node after it was killed, or has ended with `--keep-workloads`, such as `90m`; `0s` is for ever"},
			{"cache_max_bytes", "", "bytes of cached artifacts on disk; those in use are kept even if they take more"},
		}},
		{"Workloads that the node starts by itself", []row{
			{"autostart.workloads[].name", required, "letters, digits, `_` and `-`; unique in its namespace"},
			{"autostart.workloads[].namespace", "`\"default\"`", "the workload's namespace"},
			{"autostart.workloads[].description", "", "for people"},
			{"autostart.workloads[].argv", "", "arguments of the program, without its name"},
			{"autostart.workloads[].essential", "", "restart it when it ends: the same as `restart` `always`"},
			{"autostart.workloads[].restart", "`never`, or `always` with `essential`", "when the service is started again: `always`, `on-failure` or `never`; functions always are"},
			{"autostart.workloads[].type", required, "one of `workload_types`"},
			{"autostart.workloads[].location", required, "where the artifact lies: `nats://BUCKET/key`, `https://host/path`, `file:///path` with `allow_file_artifacts`, or, for images, `oci://registry/repository:tag`"},
			{"autostart.workloads[].jsdomain", "", "JetStream domain of a `nats` location"},
			{"autostart.workloads[].environment", "", "environment variables, in the clear: protect the file"},
			{"autostart.workloads[].trigger_subjects", "", "subjects that a function answers; required for functions, and for them only"},
			{"autostart.workloads[].max_concurrency", "`functions.max_concurrency`", "calls of the function that run at one time"},
			{"autostart.workloads[].call_timeout_ms", "`functions.call_timeout_ms`", "milliseconds that a call of the function may take"},
			{"autostart.workloads[].min_sandbox", "any", "the weakest sandbox level that will do: `none`, `gvisor` or `microvm`"},
			{"autostart.workloads[].memory_mib", "`machine_template.memsize_mib`", "MiB of memory that it may take"},
			{"autostart.workloads[].cpus", "`machine_template.vcpu_count`", "processors that it may take, such as 0.5"},
			{"autostart.workloads[].egress.allow", "`egress.allow`", "where it may connect to, within `egress.allow`; not for functions"},
			{"autostart.workloads[].egress.deny", "", "where it may not, besides `egress.deny`; not for functions"},
		}},
		{"Whom the node obeys", []row{
			{"valid_issuers", "any", "public account nkeys (`A…`) whose signed requests are accepted"},
			{"require_bound_claims", "true; false with `no_sandbox`", "refuse requests whose signature does not cover node, namespace and the rest of the request, as those of version 0.2 clients"},
			{"allow_unverified_artifacts", "", "accept requests whose `hash` is not a digest of the artifact"},
			{"allow_file_artifacts", "", "accept `file://` locations, which are files of the node's machine"},
			{"deny_trigger_subjects", "", "subjects that no trigger may overlap with, besides `$SYS.>`, `$JS.>`, `$NEX.>`, `$KV.>`, `$O.>`, `$SRV.>` and `_INBOX.>`"},
		}},
		{"Sandboxes", []row{
			{"no_sandbox", "", "run workloads as ordinary processes of the node's user: for development and trusted programs only; otherwise they run in the strongest sandbox that works here"},
			{"machine_pool_size", "", "agents started ahead of need; 0 starts each when it is needed"},
			{"machine_template.vcpu_count", "", "processors that a workload may take, unless its request says otherwise"},
			{"machine_template.memsize_mib", "", "MiB of memory that a workload may take, its agent included, unless its request says otherwise"},
			{"machine_template.pids", "", "processes and threads that a workload may have"},
			{"machine_template.open_files", "", "files that each process of a workload may have open"},
			{"machine_template.disk_mib", "", "MiB that all that a workload writes in its sandbox may take"},
			{"kernel_file", "`\"vmlinux\"`", "name of the kernel in `default_resource_dir`; for microVMs only"},
			{"kernel_filepath", "", "path of the kernel, instead of `kernel_file`"},
			{"rootfs_file", "`\"rootfs.ext4\"`", "name of the root file system image in `default_resource_dir`; for microVMs only"},
			{"rootfs_filepath", "", "path of the root file system image, instead of `rootfs_file`"},
			{"kernel_modules", "", "directory with the modules of the kernel, as `/lib/modules/VERSION` of a distribution; none for one that has all built in"},
			{"rate_limiters.bandwidth.size", "no limit", "bytes that a sandbox may read and write per `refill_time`; required in `bandwidth`"},
			{"rate_limiters.bandwidth.refill_time", "no limit", "milliseconds in which they are refilled; required in `bandwidth`"},
			{"rate_limiters.bandwidth.one_time_burst", "", "further bytes at the start, not refilled"},
			{"rate_limiters.iops.size", "no limit", "operations that a sandbox may do per `refill_time`; required in `iops`"},
			{"rate_limiters.iops.refill_time", "no limit", "milliseconds in which they are refilled; required in `iops`"},
			{"rate_limiters.iops.one_time_burst", "", "further operations at the start, not refilled"},
			{"agent_handshake_timeout_ms", "", "milliseconds from an agent's start to its handshake"},
			{"agent_ping_timeout_ms", "", "milliseconds in which an agent must answer a ping"},
		}},
		{"What nex node preflight gets", []row{
			{downloads + "kernel.url", "nowhere", "where the kernel is got from if it is missing: an `http`, `https` or `file` URL, or a path; required in `kernel`"},
			{downloads + "kernel.sha256", required, "digest of what lies there, as it lies there, in hex; nothing else is taken"},
			{downloads + "kernel.member", "it is no archive", "name of the file in the tar archive that lies there"},
			{downloads + "rootfs.url", "nowhere", "as for `kernel`: the root file system image"},
			{downloads + "rootfs.sha256", required, "as for `kernel`"},
			{downloads + "rootfs.member", "it is no archive", "as for `kernel`"},
			{downloads + "firecracker.url", "nowhere", "as for `kernel`: Firecracker's program, for the first directory of `bin_path`"},
			{downloads + "firecracker.sha256", required, "as for `kernel`"},
			{downloads + "firecracker.member", "it is no archive", "as for `kernel`"},
			{downloads + "jailer.url", "nowhere", "as for `kernel`: Firecracker's jailer, for the first directory of `bin_path`"},
			{downloads + "jailer.sha256", required, "as for `kernel`"},
			{downloads + "jailer.member", "it is no archive", "as for `kernel`"},
		}},
		{"Network of the sandboxes", []row{
			{"cni.bin_path", "the built-in network", "directories of CNI plugins"},
			{"cni.interface_name", "", "name of the interface in the sandbox, at most 15 characters"},
			{"cni.network_name", "", "name of the CNI network"},
			{"cni.subnet", "`\"192.168.127.0/24\"`, or the next one that no other node of the machine has", "IPv4 network of the sandboxes, from /16 to /29"},
			{"cni.nameservers", "those of the machine", "IP addresses that sandboxes ask for names"},
			{"egress.allow", "every public address", "where services may connect to, by [rules](sandboxes.md#where-a-workload-may-connect-to) such as `*.example.com`, `10.1.0.0/16:5432`, or `*` for every public address; private ones only if they are listed"},
			{"egress.deny", "", "where no service may connect to, whatever is allowed"},
			{"preserve_network", "", "remove only network objects that have the node's prefix"},
		}},
		{"Functions", []row{
			{"functions.max_concurrency", "", "calls of a function that run at one time, unless its request says otherwise; 0 is one for each processor of its sandbox"},
			{"functions.queue_size", "", "further calls that may wait for their turn; more are refused with code 503"},
			{"functions.call_timeout_ms", "", "milliseconds that a call may take, waiting for its turn included, unless the function's request says otherwise"},
			{"functions.memory_mib", "", "MiB that one call, or the instance that runs it, may use; at most half of what its sandbox may"},
			{"functions.max_host_requests", "", "host service requests that a function may have under way"},
		}},
		{"Host services", []row{
			{"host_services.nats_url", "the node's connection for workloads", "NATS server for host services; several have commas between"},
			{"host_services.nats_context", "", "NATS context, by name or as the path of its `.json` file, for what the other settings leave out: credentials files, nkeys, TLS and all else that the command line knows"},
			{"host_services.nats_user_jwt", "", "user JWT there; needs `nats_user_seed`, and a server"},
			{"host_services.nats_user_seed", "", "seed of that user's nkey (`SU…`): protect the file"},
			{services + "http.enabled", "", "functions may make HTTP calls"},
			{services + "http.config.allow", "every public host", "hosts that may be called: names, `*.` and a name, IP addresses, networks; private, loopback and link-local addresses only if they are listed"},
			{services + "http.config.timeout_ms", "", "milliseconds for a call"},
			{services + "http.config.max_body_bytes", "", "bytes of the body of a request and of a response"},
			{services + "kv.enabled", "", "functions have a key-value bucket"},
			{services + "kv.config.bucket_name", "one that no two workloads share", "name of the bucket; `${namespace}` and `${workload_name}` are replaced, and workloads for which the result is the same share the bucket"},
			{services + "kv.config.max_bytes", "", "bytes of the bucket; 0 is no limit"},
			{services + "kv.config.jit_provision", "", "make the bucket when it is first used"},
			{services + "messaging.enabled", "", "functions may publish and make requests"},
			{services + "messaging.config.request_timeout_ms", "", "milliseconds to wait for the answer to a request"},
			{services + "messaging.config.request_many_timeout_ms", "", "milliseconds to gather answers to one request"},
			{services + "objectstore.enabled", "", "functions have an object store bucket"},
			{services + "objectstore.config.bucket_name", "one that no two workloads share", "as for `kv`"},
			{services + "objectstore.config.max_bytes", "", "bytes of the bucket; 0 is no limit"},
			{services + "objectstore.config.jit_provision", "", "make the bucket when it is first used"},
		}},
		{"NATS servers in the node's process", []row{
			{"internal_node_host", "", "loopback address of the internal NATS server, which connects node and agents"},
			{"internal_node_port", "", "its port; 0 is any free one"},
			{"public_nats_server", "no server", "options of the NATS server, as in its own configuration file; starts a server for users"},
		}},
		{"Telemetry", []row{
			{"otel_metrics", "", "export metrics"},
			{"otel_metrics_exporter", "", "`prometheus`, which fetches them, or `otlp`, which pushes them"},
			{"otel_metrics_port", "", "port for prometheus; 0 is any free one"},
			{"otel_traces", "", "export traces"},
			{"otel_traces_exporter", "", "protocol to push them: `grpc` or `http`"},
			{"otlp_exporter_url", "", "collector that is pushed to, such as `http://127.0.0.1:4317`; required where something is pushed"},
		}},
	}
}
