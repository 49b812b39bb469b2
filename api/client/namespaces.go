package client

import (
	"context"
	"iter"
	"net/http"

	"confman/api/wire"
)

// Namespaces yields the namespaces that the caller may read and whose path
// begins with prefix, by path.
func (c *Client) Namespaces(ctx context.Context, prefix string, r Read) iter.Seq2[wire.Namespace, error] {
	call := c.reading("list namespaces", r, "namespaces")
	if prefix != "" {
		call.query.Set(wire.ParamPrefix, prefix)
	}
	return pages[wire.Namespace](ctx, c, call)
}

// Namespace reads one namespace.
func (c *Client) Namespace(ctx context.Context, path string, r Read) (n wire.Namespace, err error) {
	err = c.into(ctx, c.reading("read namespace "+path, r, "namespaces", path), &n)
	return n, err
}

// PutNamespace creates a namespace or changes what put names; Meta.Created says
// which.
func (c *Client) PutNamespace(ctx context.Context, path string, put wire.PutNamespace, w Write) (n wire.Namespace, err error) {
	err = c.into(ctx, c.writing("put namespace "+path, http.MethodPut, w, put, "namespaces", path), &n)
	return n, err
}

// DeleteNamespace deletes a namespace and the entries in it; namespaces below it
// stay.
func (c *Client) DeleteNamespace(ctx context.Context, path string, w Write) error {
	return c.into(ctx, c.writing("delete namespace "+path, http.MethodDelete, w, nil, "namespaces", path), nil)
}
