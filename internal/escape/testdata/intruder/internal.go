//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/agentlink"
)

// internal tries to get into the internal server of a node at a URL, given the public key of an agent, and by
// sockets of agents.
func internal(r *report, args []string) {
	url, public, sockets := args[0], args[1], args[2:]
	for _, c := range claims(public) {
		nc, err := nats.Connect(url, c.option, nats.Timeout(dialTimeout))
		if err == nil {
			nc.Close()
		}
		r.attempt("connect "+c.name, err)
	}
	r.attempt("publish without a word of who one is", speak(url, "SUB hostint.> 1\r\nPUB hostint.x.handshake 2\r\n{}\r\nPING\r\n"))
	r.attempt("name the account agent-1", nameAccount(url, "agent-1"))
	r.attempt("name the account $SYS", nameAccount(url, "$SYS"))
	host := strings.TrimPrefix(url, "nats://")
	r.attempt("monitor", get(host, "/varz", nil))
	r.attempt("connect by WebSocket", get(host, "/", http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AQIDBAUGBwgJCgsMDQ4PEA=="},
	}))
	r.attempt("connect as a leaf node", speak(url, `CONNECT {"lang":"go","leafnode":true,"cluster":"intruder","name":"intruder","headers":true}`+"\r\nLS+ hostint.>\r\nPING\r\n"))
	r.attempt("connect as another server of a cluster", speak(url, `INFO {"server_id":"intruder","cluster":"nex-internal"}`+"\r\nRS+ $G hostint.>\r\nPING\r\n"))
	for i, socket := range sockets {
		for name, purpose := range map[string]byte{"its NATS": agentlink.PurposeNATS, "its calls": agentlink.PurposeCalls, "its compiled code": agentlink.PurposeCompiled} {
			r.attempt(fmt.Sprintf("socket %d, %s without the token", i, name), hello(socket, purpose))
		}
		r.attempt(fmt.Sprintf("socket %d, speak NATS at once", i), atOnce(socket))
	}
}

// get makes a request that a server answers which speaks HTTP.
func get(host, path string, header http.Header) error {
	request := valueOf(http.NewRequest(http.MethodGet, "http://"+host+path, nil))
	request.Header = header
	client := http.Client{Timeout: dialTimeout}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	return nil
}

// hello pretends to know a token.
func hello(socket string, purpose byte) error {
	c, err := net.DialTimeout("unix", socket, dialTimeout)
	if err != nil {
		return err
	}
	defer c.Close()
	must(c.SetDeadline(time.Now().Add(busTimeout)))
	// Whoever answers proves to know it, which is not asked for here; then come bytes for a proof.
	if _, err := c.Write(append([]byte{purpose}, make([]byte, 16)...)); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, make([]byte, 48)); err != nil {
		return err
	}
	if _, err := c.Write(make([]byte, 32)); err != nil {
		return err
	}
	n, err := c.Read(make([]byte, 1))
	if err == nil && n == 0 {
		err = errors.New("nothing is said")
	}
	return err
}

// atOnce does without the hello.
func atOnce(socket string) error {
	c, err := net.DialTimeout("unix", socket, dialTimeout)
	if err != nil {
		return err
	}
	defer c.Close()
	must(c.SetDeadline(time.Now().Add(busTimeout)))
	said := []byte("CONNECT {}\r\nSUB hostint.> 1\r\nPING\r\n" + strings.Repeat("PING\r\n", 16))
	if _, err := c.Write(said); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if strings.Contains(string(answer), "PONG") || strings.Contains(string(answer), "INFO") {
		return nil
	}
	if err == nil {
		err = errors.New("the connection is closed")
	}
	return err
}
