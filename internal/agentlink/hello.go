package agentlink

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// helloTimeout bounds what both ends need for the hello.
const helloTimeout = 5 * time.Second

const (
	nonceBytes = 16
	proofBytes = sha256.Size
)

// The ends of a connection, as they prove themselves.
const (
	endNode  = "node"
	endAgent = "agent"
)

// ErrHello means that the other end of a connection does not know the token.
var ErrHello = errors.New("agent link: the other end of the connection does not know the token")

// nonces are those of both ends, the agent's first.
type nonces [2 * nonceBytes]byte

// proof is how an end proves that it knows the token.
func (n *nonces) proof(token, end string, purpose byte) []byte {
	h := hmac.New(sha256.New, []byte(token))
	h.Write([]byte(end))
	h.Write([]byte{0, purpose})
	h.Write(n[:])
	return h.Sum(nil)
}

// SayHello is the agent's part of the hello. It returns when the node has proved itself: [ErrHello] if whoever
// has answered is not the node.
func SayHello(conn net.Conn, purpose byte, token string) error {
	_ = conn.SetDeadline(time.Now().Add(helloTimeout)) // on a connection that is gone all fails
	var n nonces
	_, _ = rand.Read(n[:nonceBytes]) // it never fails
	if _, err := conn.Write(append([]byte{purpose}, n[:nonceBytes]...)); err != nil {
		return fmt.Errorf("say hello to node: %w", err)
	}
	var said [nonceBytes + proofBytes]byte
	if _, err := io.ReadFull(conn, said[:]); err != nil {
		return fmt.Errorf("say hello to node: %w", err)
	}
	copy(n[nonceBytes:], said[:nonceBytes])
	if !hmac.Equal(said[nonceBytes:], n.proof(token, endNode, purpose)) {
		return ErrHello
	}
	if _, err := conn.Write(n.proof(token, endAgent, purpose)); err != nil {
		return fmt.Errorf("say hello to node: %w", err)
	}
	return conn.SetDeadline(time.Time{})
}

// AcceptHello is the node's part of the hello, for a connection that was accepted. It returns when the agent has
// proved itself: [ErrHello] if it does not know the token.
func AcceptHello(conn net.Conn, token string) (purpose byte, err error) {
	_ = conn.SetDeadline(time.Now().Add(helloTimeout)) // on a connection that is gone all fails
	var n nonces
	var said [1 + nonceBytes]byte
	if _, err := io.ReadFull(conn, said[:]); err != nil {
		return 0, err
	}
	purpose = said[0]
	copy(n[:], said[1:])
	_, _ = rand.Read(n[nonceBytes:]) // it never fails
	if _, err := conn.Write(append(n[nonceBytes:], n.proof(token, endNode, purpose)...)); err != nil {
		return 0, err
	}
	var proof [proofBytes]byte
	if _, err := io.ReadFull(conn, proof[:]); err != nil {
		return 0, err
	}
	if !hmac.Equal(proof[:], n.proof(token, endAgent, purpose)) {
		return 0, ErrHello
	}
	return purpose, conn.SetDeadline(time.Time{})
}
