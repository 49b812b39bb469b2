package client

import (
	"context"
	"net/http"

	"confman/api/wire"
)

// Erase takes a value out of the history; in a dry run it only says what would
// go. ErrConflict: the value is live or in a draft; ErrNotFound: nothing holds it.
func (c *Client) Erase(ctx context.Context, erase wire.Erase, dryRun bool, w Write) (erased wire.Erased, err error) {
	what := "erase a value of " + erase.Namespace + "/" + erase.Key
	call := c.writing(what, http.MethodPost, w, erase, "audit", "erasures")
	if dryRun {
		call = c.asking(what, w.Meta, erase, "audit", "erasures")
		call.query.Set(paramDryRun, "true")
	}
	err = c.into(ctx, call, &erased)
	return erased, err
}
