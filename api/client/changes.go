package client

import (
	"context"
	"net/http"
	"strings"

	"confman/api/wire"
)

// Rollback takes a key, or with an empty key the whole namespace, back to how it
// was. Where settings ask for approval, it becomes a publish request:
// Changed.Request.
//
// With dryRun it and the other methods that answer with a wire.Changed say what
// would happen and write nothing.
func (c *Client) Rollback(ctx context.Context, namespace, key string, rollback wire.Rollback, dryRun bool, w Write) (wire.Changed, error) {
	what, segments := "roll back "+namespace, []string{"namespaces", namespace, "rollback"}
	if key != "" {
		what, segments = what+"/"+key, append(segments, key)
	}
	return c.change(ctx, what, rollback, dryRun, w, segments...)
}

// RollbackRequest takes the keys of a published request back to how they were
// before it.
func (c *Client) RollbackRequest(ctx context.Context, id, comment string, dryRun bool, w Write) (wire.Changed, error) {
	return c.change(ctx, "roll back publish request "+id, wire.Rollback{Comment: comment}, dryRun, w, publishRequests, id, "rollback")
}

// Revert undoes one past change. Where a later one touched the same keys, the
// error is ErrConflict, and the Problem's Errors name it.
func (c *Client) Revert(ctx context.Context, revert wire.Revert, dryRun bool, w Write) (wire.Changed, error) {
	return c.change(ctx, "revert", revert, dryRun, w, "revert")
}

// Promote submits a publish request that makes one namespace like another.
func (c *Client) Promote(ctx context.Context, promote wire.Promote, dryRun bool, w Write) (wire.Changed, error) {
	return c.change(ctx, "promote "+promote.From+" to "+promote.To, promote, dryRun, w, "promote")
}

func (c *Client) change(ctx context.Context, what string, body any, dryRun bool, w Write, segments ...string) (changed wire.Changed, err error) {
	call := c.writing(what, http.MethodPost, w, body, segments...)
	if dryRun {
		call = c.asking(what, w.Meta, body, segments...)
		call.query.Set(paramDryRun, "true")
	}
	err = c.into(ctx, call, &changed)
	return changed, err
}

// Diff compares two namespaces, or one at two times. From and to are NAMESPACE
// or NAMESPACE@WHEN, an event index, a position or an RFC 3339 time.
func (c *Client) Diff(ctx context.Context, from, to string, r Read) (d wire.Diff, err error) {
	call := c.reading("compare "+from+" with "+to, r, "diff")
	call.query.Set("from", from)
	call.query.Set("to", to)
	_, before, _ := strings.Cut(from, "@")
	_, after, _ := strings.Cut(to, "@")
	call.named = named(before, after)
	err = c.into(ctx, call, &d)
	return d, err
}
