package client

import (
	"context"
	"iter"
	"strconv"
	"time"

	"confman/api/wire"
)

// NamespaceAudit yields the events of a namespace, newest first, limit to a
// page; 0 is the server's own size.
func (c *Client) NamespaceAudit(ctx context.Context, namespace string, limit int, r Read) iter.Seq2[wire.AuditEvent, error] {
	call := c.reading("audit of "+namespace, r, "namespaces", namespace, "audit")
	if limit > 0 {
		call.query.Set(wire.ParamLimit, strconv.Itoa(limit))
	}
	return pages[wire.AuditEvent](ctx, c, call)
}

// AuditQuery selects events; an empty member selects all.
type AuditQuery struct {
	Namespace, Key, Actor, Action string

	Since, Until time.Time
	// After and Before are indexes or positions, themselves not included.
	After, Before string
	// Ascending asks for the oldest first; the newest is the default.
	Ascending bool
	// Page is how many events one request brings. 0: the server's own size.
	Page int
}

// Audit yields the events that a query selects and the caller may see.
func (c *Client) Audit(ctx context.Context, q AuditQuery, r Read) iter.Seq2[wire.AuditEvent, error] {
	call := c.reading("audit", r, "audit")
	set := func(name, value string) {
		if value != "" {
			call.query.Set(name, value)
		}
	}
	set("namespace", q.Namespace)
	set("key", q.Key)
	set("actor", q.Actor)
	set("action", q.Action)
	set("after", q.After)
	set("before", q.Before)
	if !q.Since.IsZero() {
		set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	set("order", map[bool]string{true: "asc", false: "desc"}[q.Ascending])
	if q.Page > 0 {
		set(wire.ParamLimit, strconv.Itoa(q.Page))
	}
	return pages[wire.AuditEvent](ctx, c, call)
}
