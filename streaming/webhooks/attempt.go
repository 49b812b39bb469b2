package webhooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"confman/events"
)

// Bounds of an attempt.
const (
	attemptTime    = 10 * time.Second // from dialling to the end of the answer
	answerBytes    = 64 << 10         // read of its body, and of its header, and thrown away
	idleConnection = 90 * time.Second
	errorBytes     = 256 // kept of what went wrong
)

// letter is an event on its way to an endpoint.
type letter struct {
	record events.Record
	event  events.Event
	read   time.Time // when
	bare   bool      // without values, whatever the webhook says
}

// body is what is posted.
func (l letter) body(values bool) ([]byte, error) {
	b := append([]byte(nil), `{"type":`...)
	b = events.AppendText(b, string(l.event.Data.Kind()))
	b = append(b, `,"timestamp":"`...)
	b = l.record.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","data":`...)
	b, err := l.record.AppendWire(b, values)
	return append(b, '}'), err
}

// trial is how one attempt ended.
type trial struct {
	at     time.Time
	took   time.Duration
	status int           // 0: there was no answer
	after  time.Duration // not to be tried again sooner
	err    error         // nil: delivered
}

// try makes one attempt. Only the status of the answer counts: 2xx says that the
// endpoint has the event.
func (d *Deliverer) try(ctx context.Context, w events.Webhook, l letter) trial {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	t := trial{at: d.config.Now()}
	answer, err := d.post(ctx, w, l, t.at)
	if err == nil {
		t.status = answer.StatusCode
		_, _ = io.CopyN(io.Discard, answer.Body, answerBytes) // so that the connection can be used again
		_ = answer.Body.Close()
		err = verdict(answer)
		t.after = retryAfter(answer, d.config.Now())
	}
	t.took = d.config.Now().Sub(t.at)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", attemptTime)
	}
	t.err = err
	d.attempts.Add(1)
	if err != nil {
		d.failures.Add(1)
	}
	return t
}

func verdict(answer *http.Response) error {
	switch s := answer.StatusCode; {
	case s >= 200 && s < 300:
		return nil
	case s >= 300 && s < 400:
		return fmt.Errorf("answered %d: redirects are not followed, give the webhook the new URL", s)
	default:
		return fmt.Errorf("answered %d", s)
	}
}

// post sends an event, signed, and returns the answer's header.
func (d *Deliverer) post(ctx context.Context, w events.Webhook, l letter, at time.Time) (*http.Response, error) {
	body, err := l.body(w.Values && !l.bare)
	if err != nil {
		return nil, err
	}
	id := l.event.ID.String()
	signed, err := sign(w.Secrets, id, at, body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) { // what is shown has no URL, which may have a token in it
			err = parse.Err
		}
		return nil, fmt.Errorf("the webhook's URL: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "confman/"+d.config.Version)
	r.Header.Set(HeaderID, id)
	r.Header.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	r.Header.Set(HeaderSignature, signed)
	switch r.URL.Scheme {
	case "https":
		return d.secure.RoundTrip(r)
	case "http":
		return d.plain.RoundTrip(r)
	}
	return nil, errors.New("the webhook's URL is neither https nor http")
}

// transport is one that follows no redirects, has no cookies and knows no proxy,
// and dials what the guard lets through.
func (c Config) transport(g guard) *http.Transport {
	dialer := net.Dialer{Timeout: attemptTime, Resolver: c.Resolver, Control: g.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost:    1,
		MaxIdleConns:           256,
		IdleConnTimeout:        idleConnection,
		MaxResponseHeaderBytes: answerBytes,
		DisableCompression:     true,
	}
}

// brief is what is kept of an error.
func brief(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), errorBytes)], "")
}
