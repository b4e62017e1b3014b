package dnsproxy

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func (p *Proxy) serveUDP() {
	buf := make([]byte, maxUDP) // no question is as long
	for {
		n, from, err := p.udp.ReadFromUDPAddrPort(buf)
		if p.ctx.Err() != nil {
			return
		}
		if err != nil {
			p.pause()
			continue
		}
		client := p.cfg.Client(from.Addr().Unmap())
		if client == nil {
			continue
		}
		q, code, err := parseQuestion(buf[:n])
		if err != nil {
			continue
		}
		if code == dnsmessage.RCodeSuccess && !p.take(from.Addr(), true) {
			code = dnsmessage.RCodeServerFailure
		} else if code == dnsmessage.RCodeSuccess {
			p.running.Go(func() {
				defer p.give(from.Addr(), true)
				p.reply(from, p.answer(client, q, false))
			})
			continue
		}
		p.reply(from, q.refusal(code))
	}
}

// pause keeps a socket that fails from being tried without end.
func (p *Proxy) pause() {
	select {
	case <-p.ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
}

// reply sends an answer over UDP. One that is lost is asked for again.
func (p *Proxy) reply(to netip.AddrPort, msg []byte) {
	if len(msg) > 0 {
		_, _ = p.udp.WriteToUDPAddrPort(msg, to)
	}
}

func (p *Proxy) serveTCP() {
	for {
		c, err := p.tcp.AcceptTCP()
		if p.ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return
		}
		if err != nil {
			p.pause() // no descriptor is free, say: others have to end first
			continue
		}
		from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		client := p.cfg.Client(from)
		if client == nil || !p.take(from, false) {
			_ = c.Close()
			continue
		}
		p.mu.Lock()
		p.conns[c] = struct{}{}
		p.mu.Unlock()
		if p.ctx.Err() != nil { // Close may have looked at conns before
			_ = c.Close()
		}
		p.running.Go(func() {
			defer p.give(from, false)
			p.converse(client, c)
			p.mu.Lock()
			delete(p.conns, c)
			p.mu.Unlock()
			_ = c.Close()
		})
	}
}

// converse answers the questions of a connection, one after the other.
func (p *Proxy) converse(client Client, c *net.TCPConn) {
	for {
		if c.SetDeadline(time.Now().Add(idle)) != nil {
			return
		}
		msg, err := readMessage(c, maxUDP)
		if err != nil {
			return
		}
		q, code, err := parseQuestion(msg)
		if err != nil {
			return
		}
		answer := q.refusal(code)
		if code == dnsmessage.RCodeSuccess {
			answer = p.answer(client, q, true)
		}
		if writeMessage(c, answer) != nil {
			return
		}
	}
}

// answer finds the answer to a sound question.
func (p *Proxy) answer(client Client, q question, overTCP bool) []byte {
	if !client.Resolves(q.name) {
		return q.refusal(dnsmessage.RCodeNameError)
	}
	if q.ask.Type == dnsmessage.TypeAAAA {
		return q.refusal(dnsmessage.RCodeSuccess)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	msg, found, err := p.ask(ctx, q, overTCP)
	if err != nil {
		client.Failed(q.name, err)
		return q.refusal(dnsmessage.RCodeServerFailure)
	}
	for _, name := range found.names {
		if client.Denies(name) {
			return q.refusal(dnsmessage.RCodeNameError)
		}
	}
	if len(found.addrs) > 0 {
		if err := client.Learn(ctx, q.name, found.addrs, max(found.ttl, minTTL)); err != nil {
			client.Failed(q.name, err)
			return q.refusal(dnsmessage.RCodeServerFailure)
		}
	}
	binary.BigEndian.PutUint16(msg, q.id)
	return msg
}

// readMessage reads what TCP puts a length before.
func readMessage(r io.Reader, most int) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n > most {
		return nil, fmt.Errorf("a message of %d bytes is longer than %d", n, most)
	}
	msg := make([]byte, n)
	_, err := io.ReadFull(r, msg)
	return msg, err
}

func writeMessage(w io.Writer, msg []byte) error {
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(msg)), uint16(len(msg)))
	_, err := w.Write(append(framed, msg...))
	return err
}
