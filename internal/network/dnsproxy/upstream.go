package dnsproxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

const (
	// patience is how long a sandbox's question may take in all, perServer at each name server.
	patience  = 5 * time.Second
	perServer = 2 * time.Second
)

// errBusy is for questions that have waited in vain.
var errBusy = fmt.Errorf("name servers are asked %d questions of sandboxes already", MaxAsked)

// ask asks the name servers in their order until one answers. The message is the one that came.
func (p *Proxy) ask(ctx context.Context, q question, overTCP bool) ([]byte, answer, error) {
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-ctx.Done():
		return nil, answer{}, errBusy
	}
	servers, err := p.cfg.Servers()
	if err != nil {
		return nil, answer{}, err
	}
	failed := errors.New("there is no name server: list some in cni.nameservers")
	for _, server := range servers {
		msg, found, err := p.askOne(ctx, server, q, overTCP)
		if err == nil {
			return msg, found, nil
		}
		failed = fmt.Errorf("ask name server %s: %w", server, err)
	}
	return nil, answer{}, failed
}

func (p *Proxy) askOne(ctx context.Context, server netip.AddrPort, q question, overTCP bool) ([]byte, answer, error) {
	ctx, cancel := context.WithTimeout(ctx, perServer)
	defer cancel()
	id := uint16(rand.Uint32())
	msg, err := q.upstream(id)
	if err != nil {
		return nil, answer{}, err
	}
	network := "udp"
	if overTCP {
		network = "tcp"
	}
	// A connection of its own for each question has a port of its own, which who forges answers must guess.
	c, err := new(net.Dialer).DialContext(ctx, network, server.String())
	if err != nil {
		return nil, answer{}, err
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if overTCP {
		return exchangeTCP(c, msg, q, id)
	}
	return exchangeUDP(c, msg, q, id)
}

func exchangeTCP(c net.Conn, msg []byte, q question, id uint16) ([]byte, answer, error) {
	if err := writeMessage(c, msg); err != nil {
		return nil, answer{}, err
	}
	reply, err := readMessage(c, 1<<16-1)
	if err != nil {
		return nil, answer{}, err
	}
	found, err := parseAnswer(q, id, reply)
	return reply, found, err
}

func exchangeUDP(c net.Conn, msg []byte, q question, id uint16) ([]byte, answer, error) {
	if _, err := c.Write(msg); err != nil {
		return nil, answer{}, err
	}
	buf := make([]byte, max(q.udp, plainUDP))
	for {
		n, err := c.Read(buf)
		if err != nil {
			return nil, answer{}, err
		}
		// What does not fit the question may be forged, so the true answer may still come.
		if found, err := parseAnswer(q, id, buf[:n]); err == nil {
			return buf[:n], found, nil
		}
	}
}
