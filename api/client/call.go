package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"confman/api/wire"
)

// call is one operation, to be attempted as often as it takes.
type call struct {
	what   string // what is attempted, as an error names it: "get pay/db.url"
	method string
	path   string // percent-encoded
	query  url.Values
	header http.Header
	body   []byte
	wait   time.Duration // what the server was told to wait, on top of the attempt's timeout
	named  uint64        // the highest event index that the request itself names: see round
	meta   *Meta
	err    error // what is wrong with the call itself
}

// writes reports whether the call may change something: then it has a key by
// which the cluster knows it again.
func (c call) writes() bool { return c.header.Get(wire.HeaderIdempotencyKey) != "" }

// path joins segments to a percent-encoded path under /api/v1. A segment that a
// path cannot carry is an error: it would address something else.
func path(segments ...string) (string, error) {
	p := "/api/v1"
	for _, segment := range segments {
		if segment == "" || segment == "." || segment == ".." {
			return "", fmt.Errorf("%w: the name %q is not allowed", ErrInvalid, segment)
		}
		p += "/" + url.PathEscape(segment)
	}
	return p, nil
}

// reading begins a read.
func (c *Client) reading(what string, r Read, segments ...string) call {
	p, err := path(segments...)
	call := call{what: what, method: http.MethodGet, path: p, err: err, query: url.Values{}, header: http.Header{}, wait: r.Wait, named: named(r.At), meta: r.Meta}
	if r.At != "" {
		call.query.Set(wire.ParamAt, r.At)
	}
	if r.Resolve {
		call.query.Set(wire.ParamResolve, "true")
	}
	if r.Linearizable {
		call.query.Set(wire.ParamConsistency, wire.ConsistencyLinearizable)
	}
	if r.Wait > 0 {
		call.query.Set(wire.ParamWait, r.Wait.String())
	}
	least := r.MinIndex
	if c.config.ReadYourWrites {
		least = max(least, c.Index())
	}
	if least > 0 {
		call.header.Set(wire.HeaderMinIndex, strconv.FormatUint(least, 10))
	}
	return call
}

// asking begins a read that says in a body what it asks about.
func (c *Client) asking(what string, m *Meta, body any, segments ...string) call {
	call := c.reading(what, Read{Meta: m}, segments...)
	call.method = http.MethodPost
	return call.with(body)
}

// writing begins a write; a nil body is none.
func (c *Client) writing(what, method string, w Write, body any, segments ...string) call {
	p, err := path(segments...)
	call := call{what: what, method: method, path: p, err: err, header: http.Header{}, meta: w.Meta}
	key := w.IdempotencyKey
	if key == "" {
		key = rand.Text()
	}
	call.header.Set(wire.HeaderIdempotencyKey, key)
	call.onlyIf('v', w.IfVersion)
	call.onlyIf('r', w.IfRevision)
	if body == nil {
		return call
	}
	return call.with(body)
}

// onlyIf makes a write conditional on the tag of what is there; 0 is nothing.
func (c call) onlyIf(kind byte, number *uint64) {
	switch {
	case number == nil:
	case *number == 0:
		c.header.Set("If-None-Match", "*")
	default:
		c.header.Set("If-Match", fmt.Sprintf(`"%c%d"`, kind, *number))
	}
}

// with is the call with a body.
func (c call) with(body any) call {
	if c.err != nil {
		return c
	}
	c.header.Set("Content-Type", wire.MediaJSON)
	var err error
	if c.body, err = encode(body); err != nil {
		c.err = fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c
}

// encode is json.Marshal without the escaping of < > & that would change the
// bytes of a value.
func encode(body any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(body)
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), err
}

// into does the call and decodes the answer into out, unless that is nil.
func (c *Client) into(ctx context.Context, call call, out any) error {
	a, err := c.do(ctx, call)
	if err != nil {
		return err
	}
	if out == nil || len(a.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return ended(call, true, fmt.Errorf("%w: %s answered %d: %w", ErrBadAnswer, a.origin, a.status, err))
	}
	return nil
}

// failure is why an attempt did not succeed and what follows from it.
type failure struct {
	err     error
	again   bool   // another attempt may succeed
	maybe   bool   // the attempt may have had an effect all the same
	settled bool   // the answer also speaks for earlier attempts with the same key
	ahead   bool   // the node does not have an event that the call names
	origin  string // who failed
}

// do attempts the call until it succeeds, is refused, or there is no more point
// or time in trying. The error says what was attempted.
func (c *Client) do(ctx context.Context, call call) (answer, error) {
	if call.err != nil {
		return answer{}, fmt.Errorf("%s: %w", call.what, call.err)
	}
	c.budget.call()
	var last failure
	var asked round
	maybe := false
	for n := 0; ; n++ {
		origin, rest, more := asked.pick(c.nodes, &call, last)
		if !more {
			return answer{}, ended(call, maybe, asked.behind)
		}
		if n > 0 || rest > 0 {
			if err := c.beforeRetry(ctx, n, rest, last.err); err != nil {
				return answer{}, ended(call, maybe, err)
			}
		}
		a, failed := c.attempt(ctx, call, origin)
		if failed == nil {
			if call.meta != nil {
				*call.meta = a.meta()
			}
			return a, nil
		}
		last, maybe = *failed, maybe && !failed.settled || failed.maybe
		if !last.again || n+1 >= c.config.Attempts || ctx.Err() != nil {
			return answer{}, ended(call, maybe, last.err)
		}
	}
}

// beforeRetry waits before attempt n, at least for rest; the error ends the
// call.
func (c *Client) beforeRetry(ctx context.Context, n int, rest time.Duration, last error) error {
	if last == nil {
		last = fmt.Errorf("%w: every endpoint asked for time", ErrUnavailable)
	}
	wait := rest
	if n > 0 {
		wait = max(wait, backoff(n))
		if !c.budget.retry(time.Now()) {
			return fmt.Errorf("too many retries by this client: %w", last)
		}
	}
	if rest > restMost {
		return fmt.Errorf("asked to wait for %v: %w", rest.Round(time.Second), last)
	}
	if c.config.OnRetry != nil {
		c.config.OnRetry(last, wait)
	}
	if err := sleep(ctx, wait); err != nil {
		return fmt.Errorf("%w: %w", err, last)
	}
	return nil
}

// ended is the error of a call that did not succeed.
func ended(call call, maybe bool, err error) error {
	if maybe && call.writes() {
		err = &UnknownOutcome{IdempotencyKey: call.header.Get(wire.HeaderIdempotencyKey), Err: err}
	}
	return fmt.Errorf("%s: %w", call.what, err)
}
