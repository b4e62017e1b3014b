package preflight

import (
	"context"

	"github.com/nex-engine/nex/internal/preflight/fetch"
)

// Offer is something that is missing or damaged, and that the configuration says where to get.
type Offer struct {
	// Name is that of the item.
	Name string
	// What it is, for people, such as "kernel".
	What string
	// Path is where it belongs, From where it is got, without secrets.
	Path, From string
	// Damaged says that there is a file at Path, which Get replaces.
	Damaged bool

	source fetch.Source
	target fetch.Target
}

// Get gets it. What fails leaves all as it was; the error is a sentence that says what to do.
func (o Offer) Get(ctx context.Context, c fetch.Config) error {
	return c.Get(ctx, o.source, o.target)
}
