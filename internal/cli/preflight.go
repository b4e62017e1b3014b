package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

type preflightCommand struct {
	nodeFlags
	Init    bool `help:"Write a default configuration file if there is none." xor:"init"`
	Get     bool `help:"Get what is missing from where the configuration says, without asking." xor:"get"`
	Replace bool `help:"Get what is damaged anew, without asking." xor:"replace"`
	Check   bool `help:"Only check: ask nothing, write nothing." xor:"init,get,replace"`
	JSON    bool `name:"json" help:"Print JSON, and ask nothing."`
}

// Run checks what a node needs. It fails if a node could not start, or if something could not be got.
func (c *preflightCommand) Run(ctx context.Context, s *session) error {
	dataDir, err := s.dataDir()
	if err != nil {
		return err
	}
	if err := c.beginConfig(ctx, s); err != nil {
		return err
	}
	look := func() ([]checklist.Group, []preflight.Offer) {
		return preflight.Run(ctx, preflight.Config{
			File: c.file(), Required: c.Config != "", NoSandbox: c.NoSandbox, DataDir: dataDir,
			NATS: preflight.NATS{URL: s.natsURL(), Connect: s.connect, JetStream: s.discovered().JetStream, Bucket: devrunBucket},
		})
	}
	groups, offers := look()
	if ctx.Err() != nil {
		return errInterrupted
	}
	wanted, shown, err := c.choose(ctx, s, groups, offers)
	if err != nil {
		return err
	}
	failed, err := getAll(ctx, s, wanted)
	if err != nil {
		return err
	}
	if len(wanted) > 0 {
		shown = false
		groups, _ = look()
		if ctx.Err() != nil {
			return errInterrupted
		}
	}
	switch {
	case c.JSON:
		err = s.printJSON(groups)
	case !shown:
		err = render.Preflight(s.Out, s.style(), groups)
	}
	if err != nil {
		return err
	}
	if n := checklist.Blocking(groups); n > 0 {
		return fmt.Errorf("a node cannot start like this: see what is marked as missing (%d)", n)
	}
	if failed > 0 {
		return fmt.Errorf("of %d files %d could not be got: see above what to do, and try again", len(wanted), failed)
	}
	s.say("A node can start like this.")
	return nil
}

var errInterrupted = errors.New("interrupted")

// file is the configuration file, whether it exists or not.
func (c *preflightCommand) file() string {
	if c.Config != "" {
		return c.Config
	}
	return defaultConfig
}

// natsURL is where connect connects to, as far as that can be told.
func (s *session) natsURL() string {
	url, err := s.discovered().URL()
	if err != nil {
		return "" // connecting fails for the same reason, and says so
	}
	return url
}

// beginConfig writes a default configuration if there is none and the user wants one.
func (c *preflightCommand) beginConfig(ctx context.Context, s *session) error {
	if _, err := os.Stat(c.file()); !errors.Is(err, fs.ErrNotExist) || c.Check {
		return nil
	}
	wanted := c.Init
	if !wanted && !c.JSON && canAnswer(s.In) {
		var err error
		if wanted, err = s.ask(ctx, fmt.Sprintf("There is no configuration file %s. Write a default one?", c.file())); err != nil {
			return err
		}
	}
	if !wanted {
		return nil
	}
	if err := preflight.WriteDefault(c.file(), c.NoSandbox); err != nil {
		return err
	}
	s.say("Wrote a default configuration to %s", c.file())
	return nil
}

// canAnswer reports whether somebody is at the other end of r.
func canAnswer(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ask asks a question, to which anything but a yes is a no.
func (s *session) ask(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer := make(chan string, 1)
	// Nothing ends a read from a terminal but an answer, so if ctx ends first, this ends with the
	// process, which is then about to.
	go func() {
		line, _ := bufio.NewReader(s.In).ReadString('\n') // without an answer it is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		s.say("")
		return false, errInterrupted
	case a := <-answer:
		return a == "y" || a == "yes", nil
	}
}
