package fcapi

// Machine is the size of a machine.
type Machine struct {
	VCPUs     int `json:"vcpu_count"`   // 1 to 32
	MemoryMiB int `json:"mem_size_mib"` // of RAM
	// SMT has two virtual processors be threads of one core, on x86.
	SMT bool `json:"smt,omitempty"`
	// TrackDirtyPages makes snapshots of type Diff possible.
	TrackDirtyPages bool `json:"track_dirty_pages,omitempty"`
	// HugePages is what backs the memory: "None" (the default), "2M", or "Transparent", which is newer than 1.12.
	HugePages string `json:"huge_pages,omitempty"`
	// CPUTemplate is a set of processor features, such as "T2"; Firecracker is about to give it up.
	CPUTemplate string `json:"cpu_template,omitempty"`
}

// BootSource is what a machine boots.
type BootSource struct {
	// Kernel is the path of a kernel, on x86 as an ELF file (vmlinux).
	Kernel string `json:"kernel_image_path"`
	Initrd string `json:"initrd_path,omitempty"`
	// Args is the kernel's command line, instead of Firecracker's own. What devices need is added to it.
	Args string `json:"boot_args,omitempty"`
}

// Drive is a disk. The first one is vda, unless another is the root device.
type Drive struct {
	ID       string `json:"drive_id"` // letters, digits and underscores
	Path     string `json:"path_on_host"`
	Root     bool   `json:"is_root_device"` // it comes first, and root= is added to the kernel's command line
	ReadOnly bool   `json:"is_read_only"`
	// PartUUID is the partition of a root device that is the root, instead of all of it.
	PartUUID string `json:"partuuid,omitempty"`
	// Cache is "Unsafe" (the default; flushes are not done) or "Writeback".
	Cache string `json:"cache_type,omitempty"`
	// Engine is "Sync" (the default) or "Async".
	Engine string       `json:"io_engine,omitempty"`
	Rates  *RateLimiter `json:"rate_limiter,omitempty"`
}

// DriveUpdate changes a drive of a machine that runs.
type DriveUpdate struct {
	ID    string       `json:"drive_id"`
	Path  string       `json:"path_on_host,omitempty"` // empty: as it was
	Rates *RateLimiter `json:"rate_limiter,omitempty"` // nil: as they were
}

// NetworkInterface is an interface of the machine, which is a tap device of the host.
type NetworkInterface struct {
	ID  string `json:"iface_id"` // letters, digits and underscores
	Tap string `json:"host_dev_name"`
	MAC string `json:"guest_mac,omitempty"` // empty: one that the guest makes up
	// MTU is what the guest is told, 68 to 65535; 0 tells nothing. Newer than 1.12.
	MTU      int          `json:"mtu,omitempty"`
	Received *RateLimiter `json:"rx_rate_limiter,omitempty"` // by the guest
	Sent     *RateLimiter `json:"tx_rate_limiter,omitempty"` // by the guest
}

// NetworkUpdate changes the rates of an interface of a machine that runs; nil leaves them as they were.
type NetworkUpdate struct {
	ID       string       `json:"iface_id"`
	Received *RateLimiter `json:"rx_rate_limiter,omitempty"`
	Sent     *RateLimiter `json:"tx_rate_limiter,omitempty"`
}

// RateLimiter bounds bytes and operations, independently. Nil is no bound, or, in an update, the one there was.
type RateLimiter struct {
	Bandwidth  *TokenBucket `json:"bandwidth,omitempty"` // bytes
	Operations *TokenBucket `json:"ops,omitempty"`
}

// TokenBucket has Size tokens, which come back within RefillMillis, and Burst more once. With a Size or
// RefillMillis of 0 it is no bound.
type TokenBucket struct {
	Size         int64 `json:"size"`
	RefillMillis int64 `json:"refill_time"`
	Burst        int64 `json:"one_time_burst,omitempty"`
}

// Vsock is a device for streams between guest and host. For one to port 52 of the guest whoever connects to
// the socket writes "CONNECT 52\n", and gets "OK <port>\n"; for one to port 52 of the host Firecracker
// connects to the socket with "_52" at the end of its path.
type Vsock struct {
	CID  uint32 `json:"guest_cid"` // of the guest, 3 or more
	Path string `json:"uds_path"`
}

// Entropy is a device that gives random numbers.
type Entropy struct {
	Rates *RateLimiter `json:"rate_limiter,omitempty"`
}

// Logger says where Firecracker's own log goes.
type Logger struct {
	Path string `json:"log_path,omitempty"` // of a file or FIFO; empty is standard output
	// Level is "Error", "Warning", "Info" (the default), "Debug", "Trace" or "Off".
	Level      string `json:"level,omitempty"`
	ShowLevel  bool   `json:"show_level,omitempty"`
	ShowOrigin bool   `json:"show_log_origin,omitempty"`
	Module     string `json:"module,omitempty"` // only what comes from there
}

// Metrics says where metrics go, as lines of JSON: every minute, and with FlushMetrics.
type Metrics struct {
	Path string `json:"metrics_path"` // of a file or FIFO
}

// Serial says where the guest's serial console goes instead of standard output. Newer than 1.12.
type Serial struct {
	Path  string       `json:"serial_out_path,omitempty"`
	Rates *TokenBucket `json:"rate_limiter,omitempty"` // bytes; what is beyond them is lost
}
