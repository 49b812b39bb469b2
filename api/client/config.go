package client

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"

	"confman/api/wire"
)

// Get reads one entry.
func (c *Client) Get(ctx context.Context, namespace, key string, r Read) (e wire.ConfigEntry, err error) {
	err = c.into(ctx, c.reading("get "+namespace+"/"+key, r, "namespaces", namespace, "config", key), &e)
	return e, err
}

// GetChanged waits until an entry has changed after an event index and reads it:
// a long poll. The Index of the Meta is what to give as after the next time. When
// nothing happens within wait, the entry comes back as it is, with an Index that
// is not above after. Where there is no such entry, or no longer, the error is
// ErrNotFound, and the Meta is filled in all the same. Wait is up to a minute; 0
// is 5 seconds. A View is easier for more than one key.
func (c *Client) GetChanged(ctx context.Context, namespace, key string, after uint64, wait time.Duration) (e wire.ConfigEntry, m Meta, err error) {
	call := c.reading("get "+namespace+"/"+key, Read{MinIndex: after, Wait: wait, Meta: &m}, "namespaces", namespace, "config", key)
	call.query.Set(paramIndex, strconv.FormatUint(after, 10))
	call.wait = 2 * cmp.Or(wait, pollWait) // until the node has come as far as after, and then for a change
	err = c.into(ctx, call, &e)
	return e, m, err
}

const (
	paramIndex = "index"         // with wait: answer once the entry has changed after it
	pollWait   = 5 * time.Second // what the server waits when it is not told
)

// Put sets the value of a key; Meta.Created says whether it is new. The entry
// in the answer has its version and the event that made it. A value equal to
// the present one changes nothing.
func (c *Client) Put(ctx context.Context, namespace, key string, put wire.PutConfig, w Write) (e wire.ConfigEntry, err error) {
	err = c.into(ctx, c.writing("put "+namespace+"/"+key, http.MethodPut, w, put, "namespaces", namespace, "config", key), &e)
	return e, err
}

// Delete deletes a key, which must exist.
func (c *Client) Delete(ctx context.Context, namespace, key string, w Write) error {
	return c.into(ctx, c.writing("delete "+namespace+"/"+key, http.MethodDelete, w, nil, "namespaces", namespace, "config", key), nil)
}

// List yields the entries of a namespace whose key begins with prefix, by key.
func (c *Client) List(ctx context.Context, namespace, prefix string, r Read) iter.Seq2[wire.ConfigEntry, error] {
	call := c.reading("list "+namespace, r, "namespaces", namespace, "config")
	if prefix != "" {
		call.query.Set(wire.ParamPrefix, prefix)
	}
	return pages[wire.ConfigEntry](ctx, c, call)
}

// Configs yields every entry that the caller may read.
func (c *Client) Configs(ctx context.Context, r Read) iter.Seq2[wire.BulkEntry, error] {
	return pages[wire.BulkEntry](ctx, c, c.reading("list all entries", r, "configs"))
}

// History yields every version of a key, deletions included.
func (c *Client) History(ctx context.Context, namespace, key string, r Read) iter.Seq2[wire.HistoryVersion, error] {
	return pages[wire.HistoryVersion](ctx, c, c.reading("history of "+namespace+"/"+key, r, "namespaces", namespace, "history", key))
}

// Transact does all operations of a transaction or none. A condition that does
// not hold is ErrConflict; the Problem's Errors say which.
func (c *Client) Transact(ctx context.Context, t wire.Transaction, w Write) (result wire.TransactionResult, err error) {
	err = c.into(ctx, c.writing("transaction", http.MethodPost, w, t, "transactions"), &result)
	return result, err
}

// Bytes is the bare value of an entry: the text of a string or secret-ref, the
// bytes of a binary, the JSON of anything else.
func Bytes(valueType string, value json.RawMessage) ([]byte, error) {
	switch valueType {
	case wire.TypeString, wire.TypeSecretRef, wire.TypeBinary:
	default:
		return value, nil
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return nil, fmt.Errorf("%w: a %s that is not a JSON string: %w", ErrBadAnswer, valueType, err)
	}
	if valueType != wire.TypeBinary {
		return []byte(text), nil
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: a binary that is not base64: %w", ErrBadAnswer, err)
	}
	return data, nil
}
