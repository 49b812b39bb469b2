package client

import (
	"context"
	"iter"
	"net/http"

	"confman/api/wire"
)

// Drafts yields the drafts of a namespace that the caller may edit and whose key
// begins with prefix, by key.
func (c *Client) Drafts(ctx context.Context, namespace, prefix string, r Read) iter.Seq2[wire.Draft, error] {
	call := c.reading("list the drafts of "+namespace, r, "namespaces", namespace, "drafts")
	if prefix != "" {
		call.query.Set(wire.ParamPrefix, prefix)
	}
	return pages[wire.Draft](ctx, c, call)
}

// Draft reads the draft of a key.
func (c *Client) Draft(ctx context.Context, namespace, key string, r Read) (d wire.Draft, err error) {
	err = c.into(ctx, c.reading("read the draft of "+namespace+"/"+key, r, "namespaces", namespace, "drafts", key), &d)
	return d, err
}

// PutDraft saves what a key should become; Meta.Created says whether there was no
// draft before. It may break the schema: Draft.Errors says so. While a draft is
// under review, the error is ErrDraftLocked.
func (c *Client) PutDraft(ctx context.Context, namespace, key string, put wire.PutDraft, w Write) (d wire.Draft, err error) {
	err = c.into(ctx, c.writing("put a draft of "+namespace+"/"+key, http.MethodPut, w, put, "namespaces", namespace, "drafts", key), &d)
	return d, err
}

// DiscardDraft throws the draft of a key away. What is published stays.
func (c *Client) DiscardDraft(ctx context.Context, namespace, key string, w Write) error {
	return c.into(ctx, c.writing("discard the draft of "+namespace+"/"+key, http.MethodDelete, w, nil, "namespaces", namespace, "drafts", key), nil)
}
