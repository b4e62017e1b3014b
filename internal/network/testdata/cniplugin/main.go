// Command cniplugin is a CNI plugin for tests: it makes a pair of interfaces with fixed addresses.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const outside = "testcni0"

func main() {
	runtime.LockOSThread() // it changes its namespace
	if err := run(os.Getenv("CNI_COMMAND")); err != nil {
		_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"cniVersion": "1.0.0", "code": 100, "msg": err.Error()})
		os.Exit(1)
	}
}

func run(command string) error {
	config, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	switch command {
	case "ADD":
		return add(config)
	case "DEL":
		link, err := netlink.LinkByName(outside)
		var gone netlink.LinkNotFoundError
		if errors.As(err, &gone) {
			return nil
		}
		return errors.Join(err, netlink.LinkDel(link))
	case "VERSION":
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"cniVersion": "1.0.0", "supportedVersions": []string{"1.0.0"}})
	}
	return fmt.Errorf("unknown command %q", command)
}

func add(config []byte) error {
	var conf struct {
		Fail bool `json:"fail"`
	}
	if err := json.Unmarshal(config, &conf); err != nil {
		return err
	}
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	there, err := os.Open(os.Getenv("CNI_NETNS"))
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = outside
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = os.Getenv("CNI_IFNAME"), netlink.NsFd(there.Fd())
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	if conf.Fail { // half-way
		return errors.New("told to fail")
	}
	if err := up(outside, "10.99.0.1/24"); err != nil {
		return err
	}
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := up(os.Getenv("CNI_IFNAME"), "10.99.0.2/24"); err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP("10.99.0.1")}); err != nil {
		return err
	}
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"cniVersion": "1.0.0",
		"interfaces": []map[string]any{{"name": os.Getenv("CNI_IFNAME"), "sandbox": os.Getenv("CNI_NETNS")}},
		"ips":        []map[string]any{{"interface": 0, "address": "10.99.0.2/24", "gateway": "10.99.0.1"}},
	})
}

func up(name, addr string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(addr)
	if err != nil {
		return err
	}
	return errors.Join(netlink.AddrAdd(link, a), netlink.LinkSetUp(link))
}
