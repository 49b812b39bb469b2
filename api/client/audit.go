package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	Namespace string // with all below it
	Exact     bool   // Namespace without what is below it
	Key       string // of exactly Namespace, which must be given
	Actor     string
	Action    string // types of events, separated by commas; "config.*" is a family

	Request, Correlation, Transaction string

	Since, Until time.Time // both included
	// After and Before are indexes or positions, themselves not included. Where
	// what follows After is no longer kept, the error is ErrCompacted.
	After, Before string
	// Ascending asks for the oldest first; the newest is the default.
	Ascending bool
	// Page is how many events one request brings, for whoever wants only a few. 0:
	// all over one connection.
	Page int
}

// Audit yields the events that a query selects and the caller may see, in as
// little memory however many they are. Where a connection breaks the sequence
// goes on from there, at another node if need be; each event comes exactly once.
func (c *Client) Audit(ctx context.Context, q AuditQuery, r Read) iter.Seq2[wire.AuditEvent, error] {
	if q.Page > 0 {
		call := c.auditCall(q, r)
		call.query.Set(wire.ParamLimit, strconv.Itoa(q.Page))
		return pages[wire.AuditEvent](ctx, c, call)
	}
	return func(yield func(wire.AuditEvent, error) bool) {
		q := q                    // each range narrows its own
		for idle := 0; ; idle++ { // connections that brought nothing, one after the other
			before := q
			err := c.auditOnce(ctx, &q, r, yield)
			if q != before {
				idle = 0
			}
			if errors.Is(err, errBrokeOff) && idle < c.config.Attempts {
				if err = ctx.Err(); err == nil && idle > 0 {
					err = sleep(ctx, backoff(idle))
				}
				if err == nil {
					continue
				}
				err = fmt.Errorf("audit: %w", err)
			}
			if err != nil {
				yield(wire.AuditEvent{}, err)
			}
			return
		}
	}
}

// auditOnce yields the events of one answer, and narrows the query to what
// follows them. Its error is errBrokeOff where the rest did not come.
func (c *Client) auditOnce(ctx context.Context, q *AuditQuery, r Read, yield func(wire.AuditEvent, error) bool) error {
	call := c.auditCall(*q, r)
	body, err := c.download(ctx, call, wire.MediaNDJSON)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewReaderSize(body, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", call.what, err)
		}
		var e wire.AuditEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s: %w: a line that is no event: %w", call.what, ErrBadAnswer, err)
		}
		if !yield(e, nil) {
			return nil
		}
		if q.Ascending {
			q.After = e.Position
		} else {
			q.Before = e.Position
		}
	}
}

// AuditExport writes all that a query selects and the caller may see, up to the
// newest as of the answer, as wire.MediaNDJSON or wire.MediaCSV, in as little
// memory however much it is. An error, that of the writer too, means that what
// was written is not the whole.
func (c *Client) AuditExport(ctx context.Context, q AuditQuery, media string, w io.Writer) error {
	call := c.auditCall(q, Read{})
	body, err := c.download(ctx, call, media)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("%s: %w", call.what, err)
	}
	return nil
}

func (c *Client) auditCall(q AuditQuery, r Read) call {
	call := c.reading("audit", r, "audit")
	order := "desc"
	if q.Ascending {
		order = "asc"
	}
	for name, value := range map[string]string{
		wire.ParamNamespace: q.Namespace, wire.ParamKey: q.Key, "actor": q.Actor, "action": q.Action,
		"request": q.Request, "correlation": q.Correlation, "transaction": q.Transaction,
		"since": moment(q.Since), "until": moment(q.Until), "after": q.After, "before": q.Before, "order": order,
	} {
		if value != "" {
			call.query.Set(name, value)
		}
	}
	if q.Exact {
		call.query.Set("exact", "true")
	}
	call.named = named(q.After)
	return call
}

// moment is a time as a query parameter; "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
