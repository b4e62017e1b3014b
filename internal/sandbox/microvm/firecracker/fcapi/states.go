package fcapi

// MMDSConfig sets the metadata service up, which guests ask by HTTP.
type MMDSConfig struct {
	// Interfaces are the ids of those that it can be asked through. They must be there before.
	Interfaces []string `json:"network_interfaces"`
	// Version is "V1" (the default) or "V2", in which the guest must get a token first.
	Version string `json:"version,omitempty"`
	// Address is link-local, of IPv4; empty is 169.254.169.254.
	Address string `json:"ipv4_address,omitempty"`
	// IMDSCompatible has it answer with plain text always. Newer than 1.12.
	IMDSCompatible bool `json:"imds_compat,omitempty"`
}

// SnapshotFiles are the files that a paused machine is written to. They are made, or replaced.
type SnapshotFiles struct {
	State  string `json:"snapshot_path"`
	Memory string `json:"mem_file_path"`
	// Type is "Full" (the default) or "Diff", with the memory alone that has changed since the last one.
	Type string `json:"snapshot_type,omitempty"`
}

// Snapshot is what a machine is made from. Its drives and sockets must be where they were for the process that
// wrote it, or be named here.
type Snapshot struct {
	State  string        `json:"snapshot_path"`
	Memory MemoryBackend `json:"mem_backend"`
	// Resume lets the machine run at once; else it is paused.
	Resume bool `json:"resume_vm,omitempty"`
	// TrackDirtyPages is as in Machine. Newer than 1.12.
	TrackDirtyPages bool `json:"track_dirty_pages,omitempty"`
	// Network replaces taps.
	Network []NetworkOverride `json:"network_overrides,omitempty"`
	// Vsock replaces the path of the socket. Newer than 1.12.
	Vsock *VsockOverride `json:"vsock_override,omitempty"`
	// ClockRealtime advances the guest's clock by the time since the snapshot, on x86 with Linux 5.16 or later.
	// Newer than 1.12.
	ClockRealtime bool `json:"clock_realtime,omitempty"`
}

// MemoryBackend is where the memory of a snapshot comes from.
type MemoryBackend struct {
	// Type is "File": a file that must stay as it is while the machine lives; or "Uffd": the socket of a process
	// that serves page faults.
	Type string `json:"backend_type"`
	Path string `json:"backend_path"`
}

// NetworkOverride gives an interface of a snapshot another tap.
type NetworkOverride struct {
	ID  string `json:"iface_id"`
	Tap string `json:"host_dev_name"`
}

// VsockOverride gives the vsock of a snapshot another socket.
type VsockOverride struct {
	Path string `json:"uds_path"`
}

// Instance is what a process says of itself.
type Instance struct {
	App     string `json:"app_name"`
	ID      string `json:"id"`
	State   State  `json:"state"`
	Version string `json:"vmm_version"`
}

// State is the state of a machine.
type State string

// The states.
const (
	NotStarted State = "Not started"
	Running    State = "Running"
	Paused     State = "Paused"
)
