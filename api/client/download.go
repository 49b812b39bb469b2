package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"confman/api/wire"
)

// downloadIdle is how long a download may bring nothing: a node may have to look
// at very much that the caller may not see.
const downloadIdle = 2 * time.Minute

// errBrokeOff is a download that ended before its end.
var errBrokeOff = fmt.Errorf("%w: the answer broke off", ErrUnavailable)

// download asks one node after the other until one begins an answer of the media
// type, however long that is. The caller reads it and closes it; what is read is
// the whole only if it ends with io.EOF.
func (c *Client) download(ctx context.Context, call call, media string) (io.ReadCloser, error) {
	if call.err != nil {
		return nil, fmt.Errorf("%s: %w", call.what, call.err)
	}
	c.budget.call()
	var last failure
	var asked round
	for n := 0; ; n++ {
		origin, rest, more := asked.pick(c.nodes, &call, last)
		if !more {
			return nil, ended(call, false, asked.behind)
		}
		if n > 0 || rest > 0 {
			if err := c.beforeRetry(ctx, n, rest, last.err); err != nil {
				return nil, ended(call, false, err)
			}
		}
		body, failed := c.begin(ctx, call, media, origin)
		if failed == nil {
			return body, nil
		}
		if last = *failed; !last.again || n+1 >= c.config.Attempts || ctx.Err() != nil {
			return nil, ended(call, false, last.err)
		}
	}
}

// begin asks one node.
func (c *Client) begin(ctx context.Context, call call, media, origin string) (io.ReadCloser, *failure) {
	asking, cancel := context.WithCancelCause(ctx)
	d := &download{cancel: cancel, silence: time.AfterFunc(c.config.AttemptTimeout+call.wait, func() { cancel(errSilent) })}
	d.silent = func() bool { return errors.Is(context.Cause(asking), errSilent) }
	request, err := c.request(asking, call, origin)
	if err != nil {
		d.end()
		return nil, &failure{err: err, origin: origin}
	}
	request.Header.Set("Accept", media+", "+wire.MediaProblem)
	endless := *c.http
	endless.Timeout = 0 // what a caller gave for calls would cut it
	response, err := endless.Do(request)
	if err != nil {
		d.end()
		return nil, c.unasked(ctx, d, origin, err)
	}
	got, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	a := answer{status: response.StatusCode, header: response.Header, origin: origin}
	if (a.status == http.StatusOK || a.status == http.StatusPartialContent) && got == media {
		c.nodes.answered(origin, false)
		c.saw(a.meta().Index)
		if call.meta != nil {
			*call.meta = a.meta()
		}
		d.silence.Reset(downloadIdle)
		d.body = response.Body
		return d, nil
	}
	defer d.end()
	defer response.Body.Close()
	if a.status < http.StatusBadRequest {
		err := fmt.Errorf("%w: %s answered %d with %.100q, want %s", ErrBadAnswer, origin, a.status, response.Header.Get("Content-Type"), media)
		return nil, &failure{err: err, origin: origin}
	}
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, 1<<20)); err != nil {
		return nil, c.unasked(ctx, d, origin, err)
	}
	return nil, c.problem(a, call)
}

// unasked is the failure of a node that gave no answer.
func (c *Client) unasked(ctx context.Context, d *download, origin string, err error) *failure {
	var outer *url.Error // repeats method and URL
	if errors.As(err, &outer) {
		err = outer.Err
	}
	switch {
	case ctx.Err() != nil:
		return &failure{err: fmt.Errorf("%s: %w", origin, ctx.Err()), origin: origin}
	case d.silent():
		err = errSilent
	}
	c.nodes.failed(origin, time.Now())
	return &failure{err: fmt.Errorf("%w: %s: %w", ErrUnavailable, origin, err), again: true, origin: origin}
}

// download is the body of an answer.
type download struct {
	body    io.ReadCloser
	silence *time.Timer // cancels; it rests while the caller works
	cancel  context.CancelCauseFunc
	silent  func() bool // whether silence has ended it
}

// Read reads what comes.
func (d *download) Read(p []byte) (int, error) {
	d.silence.Reset(downloadIdle)
	defer d.silence.Stop()
	n, err := d.body.Read(p)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case d.silent():
		err = errSilent
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return n, err
	}
	return n, fmt.Errorf("%w: %w", errBrokeOff, err)
}

// Close ends the connection unless the body was read to its end.
func (d *download) Close() error {
	err := d.body.Close()
	d.end()
	return err
}

func (d *download) end() {
	d.silence.Stop()
	d.cancel(nil)
}
