package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"confman/api/admission"
	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// kindOf finds the row of an error.
func (s *Server) kindOf(err error) problemKind {
	for _, k := range s.kinds {
		if k.err == nil || errors.Is(err, k.err) {
			return k
		}
	}
	return s.kinds[len(s.kinds)-1]
}

// fail ends the exchange with the problem that an error is.
func (x *exchange) fail(err error) {
	if x.code != 0 { // the answer has begun
		x.Log.Debug().Err(err).Str("correlationId", x.correlation).Msg("answer ended early")
		return
	}
	if errors.Is(err, context.Canceled) && !errors.Is(err, events.ErrUnknown) {
		err = fmt.Errorf("this node stops serving: %w", events.ErrUnavailable) // or the caller left, and nobody reads this
	}
	var elsewhere *events.NotLeaderError
	if errors.As(err, &elsewhere) && elsewhere.Leader != "" {
		x.handOver(elsewhere.Leader)
		return
	}
	kind := x.kindOf(err)
	if x.reconnects(kind.status) {
		x.goaway(kind, err)
		return
	}
	x.metered.countShed(err)
	p := wire.Problem{
		Type: kind.uri, Title: kind.title, Status: kind.status,
		Instance: x.r.URL.EscapedPath(), CorrelationID: x.correlation,
	}
	x.describe(&p, err)
	x.deny(p, err)
	x.problemHeaders(p, err)
	body, err := encode(p)
	if err != nil {
		x.Log.Error().Err(err).Msg("problem not encoded")
	}
	_ = x.send(p.Status, wire.MediaProblem, body)
}

// describe fills in what happened this time.
func (x *exchange) describe(p *wire.Problem, err error) {
	var refusal *events.Refusal
	var tooLong *http.MaxBytesError
	switch {
	case p.Status == http.StatusInternalServerError:
		x.Log.Error().Err(err).Str("correlationId", x.correlation).Str("route", x.route()).Msg("request failed")
		if told := (disclosed{}); errors.As(err, &told) {
			p.Detail = told.Error()
		}
		return
	case errors.As(err, &refusal):
		if p.Detail = refusal.Error(); errors.Is(refusal, events.ErrSchema) {
			p.Detail = refusal.Detail // the fields may be many, and follow
		}
		fields := refusal.Fields
		if errors.Is(refusal, events.ErrSchema) {
			fields = x.audible(x.names.namespace, fields)
		}
		for _, f := range fields {
			p.Errors = append(p.Errors, wire.FieldError{Pointer: f.Pointer, Detail: f.Detail})
			if errors.Is(refusal, events.ErrTooLarge) && strings.HasSuffix(f.Pointer, "/value") {
				p.Limit = x.maxValue()
			}
		}
	default:
		p.Detail = err.Error()
	}
	if errors.As(err, &tooLong) {
		p.Limit = tooLong.Limit
	}
	if errors.Is(err, events.ErrBehind) {
		p.Index = x.Reader.State().Index()
	}
	if errors.Is(err, events.ErrCompacted) {
		p.Newest = x.Reader.State().Position().String()
		p.Oldest = source{x.Server}.Edge().String()
	}
	var compacted *streaming.Compacted
	if errors.As(err, &compacted) {
		p.Oldest, p.Newest, p.Snapshot = compacted.Oldest.String(), compacted.Newest.String(), x.snapshotURL()
	}
}

func (x *exchange) problemHeaders(p wire.Problem, err error) {
	h := x.w.Header()
	for _, name := range []string{"Etag", "Location", "Link"} {
		delete(h, name)
	}
	x.set("Cache-Control", "no-store")
	switch p.Status {
	case http.StatusUnauthorized:
		x.set("Www-Authenticate", `Bearer realm="confman"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		after := time.Second
		var rate *rateError
		switch {
		case errors.As(err, &rate):
			after = rate.after
		case errors.As(err, new(*admission.Refusal)), errors.Is(err, streaming.ErrFull): // not all at once
			after += rand.N(2 * time.Second)
		}
		x.set("Retry-After", strconv.Itoa(int(math.Ceil(max(1, after.Seconds())))))
	}
	if p.Status >= http.StatusInternalServerError && p.Status != http.StatusInternalServerError {
		x.warn(p)
	}
}

// route is the pattern that the request matched, or "none".
func (x *exchange) route() string {
	if x.endpoint == nil {
		return "none"
	}
	return x.endpoint.pattern
}

// problemPage explains a problem type to whoever opens its URI.
func (x *exchange) problemPage() error {
	for _, k := range x.kinds {
		if k.uri == "/problems/"+x.names.id {
			x.set("Cache-Control", "public, max-age=86400")
			return x.send(http.StatusOK, "text/plain; charset=utf-8", []byte(k.title+"\n\n"+k.help+"\n"))
		}
	}
	return &events.Refusal{Kind: events.ErrNotFound, Detail: "no such type of problem"}
}
