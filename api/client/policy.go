package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"confman/api/wire"
)

const (
	paramDryRun = "dry_run" // "true": say what would happen, and do nothing
	paramLast   = "last"    // how many past changes to look at
)

// Roles reads who may do what in a namespace: its own grants or, with resolve,
// all that hold there. Where none were ever set, the answer is empty, as it is of
// Schema and Settings. wire.Root is a namespace here, too.
func (c *Client) Roles(ctx context.Context, namespace string, resolve bool, r Read) (roles wire.Roles, err error) {
	r.Resolve = r.Resolve || resolve
	err = c.into(ctx, c.reading("read the roles of "+namespace, r, "namespaces", namespace, "roles"), &roles)
	return roles, err
}

// PutRoles replaces the roles that a namespace gives. A namespace that does not
// exist comes into being with them, as with a schema and settings.
func (c *Client) PutRoles(ctx context.Context, namespace string, roles wire.Roles, w Write) (put wire.Roles, err error) {
	err = c.into(ctx, c.writing("put the roles of "+namespace, http.MethodPut, w, roles, "namespaces", namespace, "roles"), &put)
	return put, err
}

// Schema reads the JSON Schema of a namespace and, with resolve, all those that
// its values have to please.
func (c *Client) Schema(ctx context.Context, namespace string, resolve bool, r Read) (schema wire.Schema, err error) {
	r.Resolve = r.Resolve || resolve
	err = c.into(ctx, c.reading("read the schema of "+namespace, r, "namespaces", namespace, "schema"), &schema)
	return schema, err
}

// PutSchema replaces the schema of a namespace. One that live values break is
// ErrInvalid, unless forced; the Problem's Errors say where.
func (c *Client) PutSchema(ctx context.Context, namespace string, schema wire.PutSchema, w Write) (put wire.Schema, err error) {
	err = c.into(ctx, c.writing("put the schema of "+namespace, http.MethodPut, w, schema, "namespaces", namespace, "schema"), &put)
	return put, err
}

// TestSchema says what a schema would refuse: of the live values, and of the last
// so many changes; 0 is the server's own number, 100.
func (c *Client) TestSchema(ctx context.Context, namespace string, schema wire.PutSchema, last int) (test wire.SchemaTest, err error) {
	call := c.asking("test a schema on "+namespace, nil, schema, "namespaces", namespace, "schema")
	call.query.Set(paramDryRun, "true")
	if last > 0 {
		call.query.Set(paramLast, strconv.Itoa(last))
	}
	err = c.into(ctx, call, &test)
	return test, err
}

// Validate judges a value by a schema, as a publication would be.
func (c *Client) Validate(ctx context.Context, schema, value json.RawMessage) (v wire.Validation, err error) {
	err = c.into(ctx, c.asking("validate", nil, wire.Validate{Schema: schema, Value: value}, "validate"), &v)
	return v, err
}

// Settings reads how changes in a namespace are made: what it sets itself or,
// with resolve, what holds there and where that comes from.
func (c *Client) Settings(ctx context.Context, namespace string, resolve bool, r Read) (settings wire.Settings, err error) {
	r.Resolve = r.Resolve || resolve
	err = c.into(ctx, c.reading("read the settings of "+namespace, r, "namespaces", namespace, "settings"), &settings)
	return settings, err
}

// PutSettings replaces the settings of a namespace, all of them: what is nil is
// not set there any more. PutNamespace changes single ones.
func (c *Client) PutSettings(ctx context.Context, namespace string, settings wire.Settings, w Write) (put wire.Settings, err error) {
	err = c.into(ctx, c.writing("put the settings of "+namespace, http.MethodPut, w, settings, "namespaces", namespace, "settings"), &put)
	return put, err
}

// ExplainAccess says what a principal, as a member of groups, may do in a
// namespace or, with a key, to that entry, and why.
func (c *Client) ExplainAccess(ctx context.Context, principal string, groups []string, namespace, key string, r Read) (e wire.AccessExplanation, err error) {
	call := c.reading("explain the access of "+principal+" to "+namespace, r, "access", "explain")
	call.query.Set("principal", principal)
	call.query.Set(wire.ParamNamespace, namespace)
	for _, group := range groups {
		call.query.Add("group", group)
	}
	if key != "" {
		call.query.Set(wire.ParamKey, key)
	}
	err = c.into(ctx, call, &e)
	return e, err
}
