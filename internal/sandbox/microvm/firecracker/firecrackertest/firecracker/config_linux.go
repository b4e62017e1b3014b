package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
)

var idPattern = regexp.MustCompile(`^[0-9A-Za-z_]+$`)

func (p *process) setMachine(m fcapi.Machine) error {
	if m.MemoryMiB <= 0 {
		return errors.New("machine config: the memory size is invalid")
	}
	if m.SMT && m.VCPUs != 1 && m.VCPUs%2 == 1 {
		return errors.New("machine config: the vCPU number is invalid: it must be 1 or even with SMT")
	}
	p.machine, p.configured = m, true
	return nil
}

func (p *process) setBootSource(b fcapi.BootSource) error {
	p.configured = true
	for _, path := range []string{b.Kernel, b.Initrd} {
		if path == "" {
			continue
		}
		if err := mayOpen(path, true); err != nil {
			return fmt.Errorf("boot source: the file cannot be opened: %w", err)
		}
	}
	p.boot = &b
	return nil
}

// mayOpen tries to open a file.
func mayOpen(path string, readOnly bool) error {
	flag := os.O_RDWR
	if readOnly {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func (p *process) setDrive(d fcapi.Drive) error {
	p.configured = true
	if !idPattern.MatchString(d.ID) {
		return fmt.Errorf("drive config: id %q is invalid", d.ID)
	}
	if d.Path == "" {
		return errors.New("drive config: the path is missing")
	}
	if err := mayOpen(d.Path, d.ReadOnly); err != nil {
		return fmt.Errorf("drive config: the backing file cannot be opened: %w", err)
	}
	others := slices.DeleteFunc(slices.Clone(p.drives), func(o fcapi.Drive) bool { return o.ID == d.ID })
	if d.Root && slices.ContainsFunc(others, func(o fcapi.Drive) bool { return o.Root }) {
		return errors.New("drive config: a root block device already exists")
	}
	if d.Root {
		p.drives = append([]fcapi.Drive{d}, others...)
	} else {
		p.drives = append(others, d)
	}
	return nil
}

func (p *process) updateDrive(u fcapi.DriveUpdate) error {
	n := slices.IndexFunc(p.drives, func(d fcapi.Drive) bool { return d.ID == u.ID })
	if n < 0 {
		return fmt.Errorf("drive config: there is no device %q", u.ID)
	}
	if u.Path != "" {
		return errors.New("drive config: another path is not played here")
	}
	if u.Rates == nil {
		return nil
	}
	p.drives[n].Rates = u.Rates
	return p.qemu.throttle(p.drives[n])
}

func (p *process) setNetwork(n fcapi.NetworkInterface) error {
	p.configured = true
	if !idPattern.MatchString(n.ID) {
		return fmt.Errorf("network config: id %q is invalid", n.ID)
	}
	if _, err := net.ParseMAC(n.MAC); n.MAC != "" && err != nil {
		return fmt.Errorf("network config: %w", err)
	}
	others := slices.DeleteFunc(slices.Clone(p.networks), func(o fcapi.NetworkInterface) bool { return o.ID == n.ID })
	if slices.ContainsFunc(others, func(o fcapi.NetworkInterface) bool { return n.MAC != "" && o.MAC == n.MAC }) {
		return fmt.Errorf("network config: the MAC address is already in use: %s", n.MAC)
	}
	if old := p.taps[n.ID]; old != nil {
		_ = old.Close() // it is replaced
		delete(p.taps, n.ID)
	}
	tap, err := openTap(n.Tap)
	if err != nil {
		return fmt.Errorf("network config: open tap device failed: %q: %w", n.Tap, err)
	}
	p.taps[n.ID] = tap
	p.networks = append(others, n)
	return nil
}

func (p *process) updateNetwork(u fcapi.NetworkUpdate) error {
	at := slices.IndexFunc(p.networks, func(n fcapi.NetworkInterface) bool { return n.ID == u.ID })
	if at < 0 {
		return fmt.Errorf("network config: there is no device %q", u.ID)
	}
	if u.Received != nil {
		p.networks[at].Received = u.Received
	}
	if u.Sent != nil {
		p.networks[at].Sent = u.Sent
	}
	return nil
}

func (p *process) setEntropy(fcapi.Entropy) error {
	p.configured, p.entropy = true, true
	return nil
}

func (p *process) setMetrics(m fcapi.Metrics) error {
	if p.metrics != nil {
		return errors.New("metrics: they were initialized before")
	}
	if err := mayOpen(m.Path, false); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	p.metrics = &m
	return nil
}

func (p *process) setSerial(s fcapi.Serial) error {
	p.serial = s
	return nil
}

func (p *process) setMMDSConfig(m fcapi.MMDSConfig) error {
	p.configured = true
	if len(m.Interfaces) == 0 {
		return errors.New("MMDS config: the list of network interfaces is empty")
	}
	for _, id := range m.Interfaces {
		if !slices.ContainsFunc(p.networks, func(n fcapi.NetworkInterface) bool { return n.ID == id }) {
			return fmt.Errorf("MMDS config: there is no network interface %q", id)
		}
	}
	return nil
}

func (p *process) putMetadata(_ string, body []byte) (any, error) {
	var v map[string]any
	if err := decode(body, &v); err != nil {
		return nil, err
	}
	p.metadata = v
	return nil, nil
}

func (p *process) patchMetadata(_ string, body []byte) (any, error) {
	var v map[string]any
	if err := decode(body, &v); err != nil {
		return nil, err
	}
	if p.metadata == nil {
		return nil, errors.New("the MMDS data store is not initialized")
	}
	p.metadata = merge(p.metadata, v)
	return nil, nil
}

// merge applies a JSON merge patch.
func merge(to, patch map[string]any) map[string]any {
	to = maps.Clone(to)
	if to == nil {
		to = map[string]any{}
	}
	for name, v := range patch {
		inner, isMap := v.(map[string]any)
		switch {
		case v == nil:
			delete(to, name)
		case isMap:
			old, _ := to[name].(map[string]any)
			to[name] = merge(old, inner)
		default:
			to[name] = v
		}
	}
	return to
}
