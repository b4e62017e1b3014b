//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// listenPort is where a workload that is told to listens, by TCP and UDP.
	listenPort = 7000
	// attackTimeout bounds an attack.
	attackTimeout = 60 * time.Second
)

// serve answers requests on intruder.<name of the workload>: an attack, as a list of arguments in JSON, by
// its output. These are done without a process of their own:
//
//	ping       answer
//	inherited  say which files were open when the program was started
//	gateway    say at which address the node is
//	listen     listen for connections, and say at which addresses
func serve() error {
	inherited := openFiles()
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		return fmt.Errorf("connect to %q: %w", os.Getenv("NATS_URL"), err)
	}
	defer nc.Close()
	subject := "intruder." + os.Getenv("NEX_WORKLOAD_NAME")
	_, err = nc.Subscribe(subject, func(m *nats.Msg) {
		var args []string
		if err := json.Unmarshal(m.Data, &args); err != nil || len(args) == 0 {
			_ = m.Respond([]byte("no attack"))
			return
		}
		switch args[0] {
		case "ping":
			_ = m.Respond(m.Data)
		case "inherited":
			_ = m.Respond([]byte(strings.Join(inherited, "\n")))
		case "gateway":
			_ = m.Respond([]byte(nc.ConnectedAddr()[:strings.LastIndex(nc.ConnectedAddr(), ":")]))
		case "listen":
			_ = m.Respond([]byte(listen()))
		default:
			go func() { _ = m.Respond(attack(args)) }()
		}
	})
	if err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	fmt.Println("ready")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return nil
}

// attack runs one in a process of its own.
func attack(args []string) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), attackTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "/proc/self/exe", args...).CombinedOutput()
	if err != nil {
		out = fmt.Appendf(out, "\nthe attack ended with %v\n", err)
	}
	return out
}

// openFiles are the files of this process, by number and what they are.
func openFiles() []string {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var files []string
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && !strings.HasSuffix(target, "/fd") {
			files = append(files, e.Name()+" "+target)
		}
	}
	return files
}

// listen echoes what comes, and returns the addresses of this machine.
func listen() string {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: listenPort})
	if err != nil {
		return err.Error()
	}
	p, err := net.ListenUDP("udp", &net.UDPAddr{Port: listenPort})
	if err != nil {
		return err.Error()
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := p.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = p.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			list = append(list, net.JoinHostPort(n.IP.String(), fmt.Sprint(listenPort)))
		}
	}
	return strings.Join(list, "\n")
}
