package client

import (
	"context"
	"iter"
	"net/http"

	"confman/api/wire"
)

// Keys yields the API keys, without the secrets themselves.
func (c *Client) Keys(ctx context.Context, r Read) iter.Seq2[wire.APIKey, error] {
	return pages[wire.APIKey](ctx, c, c.reading("list API keys", r, "keys"))
}

// CreateKey makes an API key. APIKey.Key in the answer is the only place where
// the secret is ever shown.
func (c *Client) CreateKey(ctx context.Context, key wire.NewKey, w Write) (k wire.APIKey, err error) {
	err = c.into(ctx, c.writing("create API key "+key.Name, http.MethodPost, w, key, "keys"), &k)
	return k, err
}

// RevokeKey ends an API key, by its ID.
func (c *Client) RevokeKey(ctx context.Context, id string, w Write) error {
	return c.into(ctx, c.writing("revoke API key "+id, http.MethodDelete, w, nil, "keys", id), nil)
}

// WhoAmI says as whom the Client acts and what that principal may do.
func (c *Client) WhoAmI(ctx context.Context) (p wire.Principal, err error) {
	err = c.into(ctx, c.reading("whoami", Read{}, "whoami"), &p)
	return p, err
}
