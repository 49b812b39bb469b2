package client

import (
	"context"
	"iter"
	"net/http"

	"confman/api/wire"
)

const publishRequests = "publish-requests"

// SubmitRequest puts drafts under review, or values given with it. What breaks a
// schema is ErrInvalid; a draft that moved or is under another review is
// ErrConflict.
func (c *Client) SubmitRequest(ctx context.Context, request wire.NewRequest, w Write) (p wire.PublishRequest, err error) {
	err = c.into(ctx, c.writing("submit a publish request", http.MethodPost, w, request, publishRequests), &p)
	return p, err
}

// RequestQuery selects publish requests; an empty member selects all.
type RequestQuery struct {
	State     string // one of the wire.Request constants, several with commas between them, or "open"
	Namespace string
	Mine      bool // only those that the caller submitted
}

// Requests yields the publish requests that a query selects and the caller may
// see, newest first.
func (c *Client) Requests(ctx context.Context, q RequestQuery, r Read) iter.Seq2[wire.PublishRequest, error] {
	call := c.reading("list publish requests", r, publishRequests)
	if q.State != "" {
		call.query.Set("state", q.State)
	}
	if q.Namespace != "" {
		call.query.Set(wire.ParamNamespace, q.Namespace)
	}
	if q.Mine {
		call.query.Set("mine", "true")
	}
	return pages[wire.PublishRequest](ctx, c, call)
}

// Request reads a publish request with its differences and reviews.
func (c *Client) Request(ctx context.Context, id string, r Read) (p wire.PublishRequest, err error) {
	err = c.into(ctx, c.reading("read publish request "+id, r, publishRequests, id), &p)
	return p, err
}

// Impact says what publishing a request now would change, and for whom.
func (c *Client) Impact(ctx context.Context, id string, r Read) (i wire.Impact, err error) {
	err = c.into(ctx, c.reading("read the impact of publish request "+id, r, publishRequests, id, "impact"), &i)
	return i, err
}

// ApproveRequest approves a publish request. The last approval that it needs
// publishes it, or, where its time has not come, schedules it: State says so.
// Whoever submitted it or last edited one of its drafts is ErrForbidden.
func (c *Client) ApproveRequest(ctx context.Context, id, comment string, w Write) (wire.PublishRequest, error) {
	return c.decide(ctx, "approve", id, wire.Decide{Comment: comment}, w)
}

// ApproveSeen is ApproveRequest for what somebody has looked at: it is ErrConflict
// when the live values that would be replaced, or the schemas, changed since.
func (c *Client) ApproveSeen(ctx context.Context, seen wire.PublishRequest, comment string, w Write) (wire.PublishRequest, error) {
	return c.decide(ctx, "approve", seen.ID, wire.Decide{Comment: comment, Basis: seen.Basis}, w)
}

// RejectRequest ends a publish request for a reason, which is required. Its
// drafts can be edited again.
func (c *Client) RejectRequest(ctx context.Context, id, comment string, w Write) (wire.PublishRequest, error) {
	return c.decide(ctx, "reject", id, wire.Decide{Comment: comment}, w)
}

// WithdrawRequest takes a publish request back. Its drafts can be edited again.
func (c *Client) WithdrawRequest(ctx context.Context, id, comment string, w Write) (wire.PublishRequest, error) {
	return c.decide(ctx, "withdraw", id, wire.Decide{Comment: comment}, w)
}

// BypassRequest publishes a request at once, without the approvals, for a
// reason, which is required.
func (c *Client) BypassRequest(ctx context.Context, id, comment string, w Write) (wire.PublishRequest, error) {
	return c.decide(ctx, "bypass", id, wire.Decide{Comment: comment}, w)
}

func (c *Client) decide(ctx context.Context, verb, id string, word wire.Decide, w Write) (p wire.PublishRequest, err error) {
	err = c.into(ctx, c.writing(verb+" publish request "+id, http.MethodPost, w, word, publishRequests, id, verb), &p)
	return p, err
}
