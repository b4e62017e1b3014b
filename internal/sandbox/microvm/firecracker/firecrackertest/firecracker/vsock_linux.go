package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
)

// vsock is the socket of the host that leads to the guest. Nil is none.
type vsock struct {
	cid  uint32
	path string
	l    net.Listener

	mu   sync.Mutex
	open bool     // somebody listens inside
	conn net.Conn // what leads inside, if anybody is connected
}

func (p *process) setVsock(v fcapi.Vsock) error {
	p.configured = true
	if p.vsock != nil {
		_ = p.vsock.l.Close() // it is replaced
	}
	return p.listen(v.CID, v.Path)
}

func (p *process) listen(cid uint32, path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("vsock config: cannot create backend: %w", err)
	}
	v := &vsock{cid: cid, path: path, l: l}
	p.vsock = v
	go v.serve() // until the process ends, or the listener is closed
	return nil
}

func (v *vsock) setOpen(open bool) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open = open
}

func (v *vsock) serve() {
	for {
		c, err := v.l.Accept()
		if err != nil {
			return
		}
		go func() { // until either side has enough
			defer c.Close()
			_ = v.bridge(c) // the other side sees that it ends
		}()
	}
}

// bridge has a connection lead inside.
func (v *vsock) bridge(c net.Conn) error {
	// The command is read byte by byte: what follows is for the guest.
	var line strings.Builder
	var next [1]byte
	for next[0] != '\n' {
		if _, err := io.ReadFull(c, next[:]); err != nil {
			return err
		}
		line.WriteByte(next[0])
		if line.Len() > 64 {
			return errors.New("the command is too long")
		}
	}
	if line.String() != fmt.Sprintf("CONNECT %d\n", guest.VsockPort) {
		return fmt.Errorf("nobody listens for %q", line.String())
	}
	inside, err := v.inside()
	if err != nil {
		return err
	}
	defer v.leave(inside)
	if _, err := io.WriteString(c, "OK 1073741824\n"); err != nil {
		return err
	}
	go func() { // until one of them is closed
		_, _ = io.Copy(c, inside)
		_ = c.Close()
	}()
	_, err = io.Copy(inside, c)
	return err
}

// inside connects to the guest, which takes one connection at a time.
func (v *vsock) inside() (net.Conn, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.open || v.conn != nil {
		return nil, errors.New("nobody listens inside")
	}
	c, err := net.Dial("unix", guestSocket)
	if err != nil {
		return nil, err
	}
	v.conn = c
	return c, nil
}

func (v *vsock) leave(c net.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = c.Close()
	v.conn = nil
}
