package cli

import (
	"context"
	"fmt"

	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
	"github.com/nex-engine/nex/internal/preflight/fetch"
)

// choose returns the offers that the user takes up. If there is somebody to ask it shows the groups first.
func (c *preflightCommand) choose(ctx context.Context, s *session, groups []checklist.Group, offers []preflight.Offer) (wanted []preflight.Offer, shown bool, err error) {
	if c.Check {
		return nil, false, nil
	}
	var missing, open []preflight.Offer // what is left to ask about: the missing together, and each that is damaged
	for _, o := range offers {
		switch {
		case o.Damaged && c.Replace || !o.Damaged && c.Get:
			wanted = append(wanted, o)
		case o.Damaged:
			open = append(open, o)
		default:
			missing = append(missing, o)
		}
	}
	if len(missing)+len(open) == 0 || c.JSON || !canAnswer(s.In) {
		return wanted, false, nil
	}
	if err := render.Preflight(s.Out, s.style(), groups); err != nil {
		return nil, false, err
	}
	if len(missing) > 0 {
		for _, o := range missing {
			s.say("The %s is missing: %s, to be got from %s", o.What, o.Path, o.From)
		}
		yes, err := s.ask(ctx, "Get what is missing?")
		if err != nil {
			return nil, false, err
		}
		if yes {
			wanted = append(wanted, missing...)
		}
	}
	for _, o := range open {
		yes, err := s.ask(ctx, render.Text(fmt.Sprintf("The %s is damaged: %s. Replace it with that from %s?", o.What, o.Path, o.From)))
		if err != nil {
			return nil, false, err
		}
		if yes {
			wanted = append(wanted, o)
		}
	}
	return wanted, true, nil
}

// getAll gets all that is wanted, one after the other, and returns how many failed, which it has said.
func getAll(ctx context.Context, s *session, wanted []preflight.Offer) (failed int, err error) {
	for _, o := range wanted {
		err := get(ctx, s, o)
		if ctx.Err() != nil {
			return 0, errInterrupted
		}
		if err != nil {
			s.say("The %s was not got: %v", o.What, err)
			failed++
		}
	}
	return failed, nil
}

// get gets one file, and shows how far it is.
func get(ctx context.Context, s *session, o preflight.Offer) error {
	s.say("Getting the %s from %s", o.What, o.From)
	var b *bar
	err := o.Get(ctx, fetch.Config{Progress: func(done, total int64) {
		if b == nil {
			b = s.downloadBar(o.What, total)
		}
		b.sent(done)
	}})
	if b != nil {
		if err != nil && b.tracker != nil {
			b.tracker.MarkAsErrored()
		}
		b.done()
	}
	if err == nil {
		s.say("Got the %s: %s", o.What, o.Path)
	}
	return err
}

// downloadBar is an upload's bar with other words.
func (s *session) downloadBar(what string, size int64) *bar {
	b := s.uploadBar(what, size)
	if b.tracker != nil {
		b.tracker.UpdateMessage("Getting the " + what)
	}
	return b
}

// Help is printed below the summary.
func (*preflightCommand) Help() string {
	return `With the connection settings of the node it tries each NATS subject that the node uses, and names the permission that its user lacks. Nobody notices, and nothing is left behind.

What virtual machines need and this machine lacks can be got from where the configuration says, in preflight.downloads: from a web server, a mirror, or files of this machine. On a terminal it asks first. What is there is left alone, unless it is damaged and you say so.

For example:

    nex node preflight --config=node.json
    nex node preflight --config=node.json --get
    nex node preflight --check --json`
}
