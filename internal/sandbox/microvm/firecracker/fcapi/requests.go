package fcapi

import (
	"context"
	"encoding/json"
	"net/url"
)

// SetMachine sets the size.
func (c *Client) SetMachine(ctx context.Context, m Machine) error {
	return c.put(ctx, "set machine", "/machine-config", m)
}

// Machine is the size that was set, or the default.
func (c *Client) Machine(ctx context.Context) (Machine, error) {
	var m Machine
	return m, c.get(ctx, "get machine", "/machine-config", &m)
}

// SetBootSource sets what the machine boots. The files must be there.
func (c *Client) SetBootSource(ctx context.Context, b BootSource) error {
	return c.put(ctx, "set boot source", "/boot-source", b)
}

// SetDrive adds a drive, or replaces the one with that id. The file must be there.
func (c *Client) SetDrive(ctx context.Context, d Drive) error {
	return c.put(ctx, "set drive "+d.ID, "/drives/"+url.PathEscape(d.ID), d)
}

// UpdateDrive changes a drive of a machine that runs or is paused.
func (c *Client) UpdateDrive(ctx context.Context, u DriveUpdate) error {
	return c.patch(ctx, "update drive "+u.ID, "/drives/"+url.PathEscape(u.ID), u)
}

// SetNetworkInterface adds an interface, or replaces the one with that id. The tap must be there.
func (c *Client) SetNetworkInterface(ctx context.Context, n NetworkInterface) error {
	return c.put(ctx, "set network interface "+n.ID, "/network-interfaces/"+url.PathEscape(n.ID), n)
}

// UpdateNetworkInterface changes the rates of an interface of a machine that runs or is paused.
func (c *Client) UpdateNetworkInterface(ctx context.Context, u NetworkUpdate) error {
	return c.patch(ctx, "update network interface "+u.ID, "/network-interfaces/"+url.PathEscape(u.ID), u)
}

// SetVsock adds the device for streams, or replaces it. Firecracker makes the socket, which must not be there.
func (c *Client) SetVsock(ctx context.Context, v Vsock) error {
	return c.put(ctx, "set vsock", "/vsock", v)
}

// SetEntropy adds the device that gives random numbers.
func (c *Client) SetEntropy(ctx context.Context, e Entropy) error {
	return c.put(ctx, "set entropy device", "/entropy", e)
}

// SetLogger says where the log goes. It may be called more than once.
func (c *Client) SetLogger(ctx context.Context, l Logger) error {
	return c.put(ctx, "set logger", "/logger", l)
}

// SetMetrics says where metrics go, once.
func (c *Client) SetMetrics(ctx context.Context, m Metrics) error {
	return c.put(ctx, "set metrics", "/metrics", m)
}

// SetSerial says where the serial console goes.
func (c *Client) SetSerial(ctx context.Context, s Serial) error {
	return c.put(ctx, "set serial console", "/serial", s)
}

// SetMMDSConfig sets the metadata service up.
func (c *Client) SetMMDSConfig(ctx context.Context, m MMDSConfig) error {
	return c.put(ctx, "set metadata service", "/mmds/config", m)
}

// SetMMDS replaces the metadata, at any time, with a JSON object.
func (c *Client) SetMMDS(ctx context.Context, object json.RawMessage) error {
	return c.put(ctx, "set metadata", "/mmds", object)
}

// UpdateMMDS changes the metadata by a JSON merge patch.
func (c *Client) UpdateMMDS(ctx context.Context, object json.RawMessage) error {
	return c.patch(ctx, "update metadata", "/mmds", object)
}

// MMDS is the metadata.
func (c *Client) MMDS(ctx context.Context) (json.RawMessage, error) {
	var m json.RawMessage
	return m, c.get(ctx, "get metadata", "/mmds", &m)
}

// Start boots the machine.
func (c *Client) Start(ctx context.Context) error {
	return c.act(ctx, "start machine", "InstanceStart")
}

// SendCtrlAltDel presses these keys, on x86, by which a guest with a keyboard driver may reboot, and the
// process ends.
func (c *Client) SendCtrlAltDel(ctx context.Context) error {
	return c.act(ctx, "press Ctrl+Alt+Del", "SendCtrlAltDel")
}

// FlushMetrics writes the metrics now.
func (c *Client) FlushMetrics(ctx context.Context) error {
	return c.act(ctx, "flush metrics", "FlushMetrics")
}

func (c *Client) act(ctx context.Context, what, action string) error {
	return c.put(ctx, what, "/actions", struct {
		Action string `json:"action_type"`
	}{action})
}

// Pause stops the machine's processors. It is no error if they are.
func (c *Client) Pause(ctx context.Context) error { return c.state(ctx, "pause machine", "Paused") }

// Resume lets a paused machine go on. It is no error if it does.
func (c *Client) Resume(ctx context.Context) error { return c.state(ctx, "resume machine", "Resumed") }

func (c *Client) state(ctx context.Context, what, state string) error {
	return c.patch(ctx, what, "/vm", struct {
		State string `json:"state"`
	}{state})
}

// CreateSnapshot writes a paused machine to files, which takes as long as writing its memory.
func (c *Client) CreateSnapshot(ctx context.Context, f SnapshotFiles) error {
	return c.put(ctx, "create snapshot", "/snapshot/create", f)
}

// LoadSnapshot makes the machine from files. When it fails the process ends.
func (c *Client) LoadSnapshot(ctx context.Context, s Snapshot) error {
	return c.put(ctx, "load snapshot", "/snapshot/load", s)
}

// Instance is what the process says of itself.
func (c *Client) Instance(ctx context.Context) (Instance, error) {
	var i Instance
	return i, c.get(ctx, "get state", "/", &i)
}

// Version is Firecracker's version, such as "1.13.0".
func (c *Client) Version(ctx context.Context) (string, error) {
	var v struct {
		Version string `json:"firecracker_version"`
	}
	err := c.get(ctx, "get version", "/version", &v)
	return v.Version, err
}
