//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// claim is a way to say who one is.
type claim struct {
	name   string
	option nats.Option
}

// claims are those that somebody might try who knows a user's public key at most.
func claims(public string) []claim {
	stranger := valueOf(nkeys.CreateUser())
	account := valueOf(nkeys.CreateAccount())
	user := jwt.NewUserClaims(valueOf(stranger.PublicKey()))
	user.Name = "NEX"
	token := valueOf(user.Encode(account))
	sign := func([]byte) ([]byte, error) { return nil, nil }
	return []claim{
		{"as anybody", nats.Name("intruder")},
		{"as user NEX", nats.UserInfo("NEX", "NEX")},
		{"as user node", nats.UserInfo("node", "")},
		{"with the public key as user", nats.UserInfo(public, public)},
		{"with a token", nats.Token("NEX")},
		{"with a key of its own", withKey(stranger)},
		{"with the public key and another's signature", nats.Nkey(public, stranger.Sign)},
		{"with the public key and no signature", nats.Nkey(public, sign)},
		{"with the public key and a signature of something else", nats.Nkey(public, func([]byte) ([]byte, error) { return stranger.Sign([]byte("nonce")) })},
		{"with a JWT of its own making", nats.UserJWT(func() (string, error) { return token, nil }, stranger.Sign)},
	}
}

// control tries to get into the control account of the server at a URL, given the public key of its user, or
// with the seed if there is one.
func control(r *report, args []string) {
	url, public := args[0], args[1]
	if len(args) > 2 {
		r.attempt("reach the control account with the seed", command(url, credential(args[2])))
		return
	}
	for _, c := range claims(public) {
		r.attempt("reach the control account "+c.name, command(url, c.option))
	}
	for _, account := range []string{"NEX", "$SYS"} {
		r.attempt("name the account "+account, nameAccount(url, account))
	}
}

func withKey(pair nkeys.KeyPair) nats.Option {
	return nats.Nkey(valueOf(pair.PublicKey()), pair.Sign)
}

// command asks all nodes who they are.
func command(url string, option nats.Option) error {
	nc, err := nats.Connect(url, option, nats.Timeout(dialTimeout))
	if err != nil {
		return err
	}
	defer nc.Close()
	return second(nc.Request("$NEX.PING", []byte("{}"), busTimeout))
}

// nameAccount speaks the protocol itself, and asks for the account by its name.
func nameAccount(url, account string) error {
	return speak(url, `CONNECT {"verbose":false,"pedantic":false,"account":"`+account+`","new_account":false,"headers":true,"no_responders":true}`+"\r\n"+
		"SUB answer 1\r\nPUB $NEX.PING answer 2\r\n{}\r\nPUB $SYS.REQ.SERVER.PING answer 2\r\n{}\r\nPING\r\n")
}

// speak says something to a NATS server, and fails unless it delivers a message.
func speak(url, text string) error {
	c, err := net.DialTimeout("tcp4", strings.TrimPrefix(url, "nats://"), dialTimeout)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(busTimeout)); err != nil {
		return err
	}
	if _, err = fmt.Fprint(c, text); err != nil {
		return err
	}
	for lines := bufio.NewScanner(c); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "MSG"):
			return nil
		case strings.HasPrefix(line, "-ERR"), strings.HasPrefix(line, "HMSG"), line == "PONG":
			return errors.New(line)
		}
	}
	return syscall.ECONNRESET
}
