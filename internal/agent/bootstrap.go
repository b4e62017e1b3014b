package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nex-engine/nex/internal/agentlink"
)

// maxBootstrap bounds the bootstrap document, in bytes.
const maxBootstrap = 64 << 10

// maxAgentID bounds the id of an agent, which becomes a token of NATS subjects.
const maxAgentID = 32

// ReadBootstrap reads the document that tells an agent where its node is. It reads no further than
// the document's end, so that the reader may stay open.
func ReadBootstrap(r io.Reader) (agentlink.Bootstrap, error) {
	if r == nil {
		r = strings.NewReader("")
	}
	var b agentlink.Bootstrap
	err := json.NewDecoder(io.LimitReader(r, maxBootstrap)).Decode(&b)
	switch {
	case errors.Is(err, io.EOF):
		return b, errors.New("no bootstrap document on standard input: nex-agent is started by a node, not by hand")
	case err != nil:
		return b, fmt.Errorf("read bootstrap document: %w", err)
	case !validAgentID(b.AgentID):
		return b, fmt.Errorf("read bootstrap document: agent_id must be 1 to %d letters and digits", maxAgentID)
	case b.LinkDir == "" || len(b.Token) != agentlink.TokenBytes:
		return b, errors.New("read bootstrap document: link_dir or token is missing")
	case b.Seed == "":
		return b, errors.New("read bootstrap document: seed is missing")
	}
	return b, nil
}

func validAgentID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return id != "" && len(id) <= maxAgentID
}

// awaitBootstrap is ReadBootstrap that ends with ctx. What reads then goes on until r, which is the
// caller's, has something to say or is closed; in a program that is about to end that is soon.
func awaitBootstrap(ctx context.Context, r io.Reader) (agentlink.Bootstrap, error) {
	type result struct {
		b   agentlink.Bootstrap
		err error
	}
	c := make(chan result, 1)
	go func() {
		b, err := ReadBootstrap(r)
		c <- result{b, err}
	}()
	select {
	case got := <-c:
		return got.b, got.err
	case <-ctx.Done():
		return agentlink.Bootstrap{}, fmt.Errorf("read bootstrap document: %w", context.Cause(ctx))
	}
}
