package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"

	"confman/api/wire"
)

// Proof writes the records from one to another, both included, in the verifiable
// format: indexes, positions or RFC 3339 times, empty for the oldest that is kept
// and for the newest. An error means that what was written is not the whole, as
// does a text without its last line.
func (c *Client) Proof(ctx context.Context, from, to string, w io.Writer) error {
	call := c.ranged("records", from, to, "audit", "proof")
	body, err := c.download(ctx, call, wire.MediaNDJSON)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("%s: %w", call.what, err)
	}
	return nil
}

func (c *Client) ranged(what, from, to string, segments ...string) call {
	call := c.reading(what, Read{}, segments...)
	for name, value := range map[string]string{wire.ParamFrom: from, wire.ParamTo: to} {
		if value != "" {
			call.query.Set(name, value)
		}
	}
	call.named = named(from, to)
	return call
}

// VerifyNode has some node check its own records; what it found is no error.
// progress, unless it is nil, is told how far it is.
func (c *Client) VerifyNode(ctx context.Context, from, to string, progress func(wire.Progress)) (wire.NodeVerification, error) {
	call := c.ranged("verify a node", from, to, "audit", "verify")
	body, err := c.download(ctx, call, wire.MediaNDJSON)
	if err != nil {
		return wire.NodeVerification{}, err
	}
	return verification(call, body, progress)
}

// VerifyMember is VerifyNode of one member, given as in Config.Endpoints or one
// that Cluster named. It is asked once.
func (c *Client) VerifyMember(ctx context.Context, endpoint, from, to string, progress func(wire.Progress)) (wire.NodeVerification, error) {
	call := c.ranged("verify "+endpoint, from, to, "audit", "verify")
	origin, err := originOf(endpoint)
	if err == nil && !c.nodes.known(origin) {
		err = errors.New("not a known member")
	}
	if err != nil {
		return wire.NodeVerification{}, fmt.Errorf("%s: %w: %w", call.what, ErrInvalid, err)
	}
	body, failed := c.begin(ctx, call, wire.MediaNDJSON, origin)
	if failed != nil {
		return wire.NodeVerification{}, ended(call, false, failed.err)
	}
	return verification(call, body, progress)
}

// verification reads progress up to the last line, and closes the body.
func verification(call call, body io.ReadCloser, progress func(wire.Progress)) (found wire.NodeVerification, err error) {
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			wire.NodeVerification
			At uint64 `json:"at"` // of progress, too
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return found, fmt.Errorf("%s: %w: %w", call.what, ErrBadAnswer, err)
		}
		if line.Node != "" {
			found = line.NodeVerification
			found.At = line.At
			return found, nil
		}
		if progress != nil {
			progress(wire.Progress{At: line.At, To: line.To})
		}
	}
	if err = lines.Err(); err == nil {
		err = errBrokeOff
	}
	return found, fmt.Errorf("%s: %w", call.what, err)
}

// Checkpoints yields the checkpoints that are kept, newest first; limit of them to
// a page, 0 is the server's own size.
func (c *Client) Checkpoints(ctx context.Context, limit int, r Read) iter.Seq2[wire.Checkpoint, error] {
	call := c.reading("list checkpoints", r, "audit", "checkpoints")
	if limit > 0 {
		call.query.Set(wire.ParamLimit, strconv.Itoa(limit))
	}
	return pages[wire.Checkpoint](ctx, c, call)
}

// SignCheckpoint has the leader sign what the chain is now. Without a key there it
// is ErrConflict.
func (c *Client) SignCheckpoint(ctx context.Context, w Write) (s wire.Checkpoint, err error) {
	err = c.into(ctx, c.writing("sign a checkpoint", http.MethodPost, w, nil, "audit", "checkpoints"), &s)
	return s, err
}
