package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"confman/api/wire"
)

const (
	maxHops   = 3         // redirects in one attempt
	maxAnswer = 512 << 20 // bytes of a body that is read
)

// answer is a complete response.
type answer struct {
	status int
	header http.Header
	body   []byte
	origin string
}

func (a answer) meta() Meta {
	index, _ := strconv.ParseUint(a.header.Get(wire.HeaderIndex), 10, 64)
	stale, _ := strconv.ParseInt(a.header.Get(wire.HeaderStaleMs), 10, 64)
	return Meta{
		Status: a.status, Endpoint: a.origin, Index: index,
		Position:      a.header.Get(wire.HeaderPosition),
		CorrelationID: a.header.Get(wire.HeaderCorrelationID),
		Replayed:      a.header.Get(wire.HeaderIdempotentReplayed) == "true",
		LeaderKnown:   a.header.Get(wire.HeaderLeaderKnown) == "true",
		Stale:         time.Duration(stale) * time.Millisecond,
		Silent:        a.header.Get(wire.HeaderSilent),
	}
}

// attempt asks one node, and then the one it redirects to.
func (c *Client) attempt(ctx context.Context, call call, origin string) (answer, *failure) {
	for range maxHops + 1 {
		a, failed := c.once(ctx, call, origin)
		if failed != nil {
			return answer{}, failed
		}
		switch {
		case a.status < 300:
			c.nodes.answered(origin, call.writes())
			return a, nil
		case a.status >= 400:
			return answer{}, c.problem(a, call)
		case a.status != http.StatusTemporaryRedirect:
			err := fmt.Errorf("%w: %s answered %d to %q", ErrBadAnswer, origin, a.status, a.header.Get("Location"))
			return answer{}, &failure{err: err, origin: origin}
		}
		next, err := c.follow(ctx, a)
		if err != nil {
			return answer{}, &failure{err: err, again: errors.Is(err, ErrUnavailable), origin: origin}
		}
		origin = next
	}
	err := fmt.Errorf("%w: %d redirects in a row; the members do not agree on who leads", ErrUnavailable, maxHops+1)
	return answer{}, &failure{err: err, again: true, origin: origin}
}

// problem judges an answer of 400 and above.
func (c *Client) problem(a answer, call call) *failure {
	p := problemOf(a)
	if call.meta != nil {
		*call.meta = a.meta()
	}
	if p.transient() {
		c.nodes.refused(a.origin, time.Now().Add(retryAfter(a.header, time.Now())))
	} else {
		c.nodes.answered(a.origin, call.writes())
	}
	return &failure{err: p, again: p.transient(), maybe: !p.never(), settled: p.settled(), ahead: call.ahead(p), origin: a.origin}
}

// retryAfter reads Retry-After: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// once sends the call to one node and reads the whole answer.
func (c *Client) once(ctx context.Context, call call, origin string) (answer, *failure) {
	if err := ctx.Err(); err != nil {
		return answer{}, &failure{err: err, origin: origin}
	}
	timeout := c.config.AttemptTimeout + call.wait
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	asked, got := new(atomic.Bool), new(atomic.Bool)
	attempt = httptrace.WithClientTrace(attempt, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { got.Store(true) },
	})
	request, err := c.request(attempt, call, origin)
	if err != nil {
		return answer{}, &failure{err: err, origin: origin}
	}
	a, err := c.send(request, origin)
	if err == nil {
		return a, nil
	}
	if errors.Is(err, ErrBadAnswer) {
		return answer{}, &failure{err: err, maybe: true, origin: origin}
	}
	maybe := !(asked.Load() && !got.Load() || dialFailed(err))
	if ended := ctx.Err(); ended != nil {
		if errors.Is(ended, context.DeadlineExceeded) {
			ended = overdue("no answer before the deadline")
		}
		return answer{}, &failure{err: fmt.Errorf("%s: %w", origin, ended), maybe: maybe, origin: origin}
	}
	if attempt.Err() != nil {
		err = fmt.Errorf("no answer within %v", timeout)
	}
	c.nodes.failed(origin, time.Now())
	var certificate *tls.CertificateVerificationError
	return answer{}, &failure{
		err:    fmt.Errorf("%w: %s: %w", ErrUnavailable, origin, err),
		again:  !errors.As(err, &certificate),
		maybe:  maybe,
		origin: origin,
	}
}

func dialFailed(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}

func (c *Client) request(ctx context.Context, call call, origin string) (*http.Request, error) {
	target := origin + call.path
	if len(call.query) > 0 {
		target += "?" + call.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, call.method, target, bytes.NewReader(call.body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for name, values := range call.header {
		request.Header[name] = values
	}
	request.Header.Set("Accept", wire.MediaJSON+", "+wire.MediaProblem)
	request.Header.Set("User-Agent", c.config.UserAgent)
	if c.config.Key != "" {
		request.Header.Set(wire.HeaderAPIKey, c.config.Key)
	}
	return request, nil
}

func (c *Client) send(request *http.Request, origin string) (answer, error) {
	response, err := c.http.Do(request)
	if err != nil {
		var outer *url.Error // repeats method and URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("answer broke off: %w", err)
	}
	if len(body) > maxAnswer {
		return answer{}, fmt.Errorf("%w: more than %d bytes; ask for smaller pages", ErrBadAnswer, maxAnswer)
	}
	a := answer{status: response.StatusCode, header: response.Header, body: body, origin: origin}
	c.saw(a.meta().Index)
	return a, nil
}
