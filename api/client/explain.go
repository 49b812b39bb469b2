package client

import (
	"context"

	"confman/api/wire"
)

// Explain says why a key has the value that it has, or had as of Read.At: where it
// was looked for, the event, the publish request, the rules. A key that was deleted
// is explained, too; one that never was is ErrNotFound.
func (c *Client) Explain(ctx context.Context, namespace, key string, r Read) (e wire.Explanation, err error) {
	err = c.into(ctx, c.reading("explain "+namespace+"/"+key, r, "namespaces", namespace, "explain", key), &e)
	return e, err
}
