package otlp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// tracesPath is where a collector takes spans when its URL names no path.
const tracesPath = "/v1/traces"

const (
	exportTimeout = 10 * time.Second // of one request
	maxAnswer     = 64 << 10         // bytes of an answer that are read
)

// Config says where the collector is.
type Config struct {
	URL     *url.URL // see ParseURL; required
	Headers http.Header
	HTTP    http.RoundTripper // nil: http.DefaultTransport's settings
	Log     zerolog.Logger
}

// Exporter implements the SDK's SpanExporter. Its errors are not returned but
// logged, once for an outage: the SDK would write each to standard error.
type Exporter struct {
	config  Config
	client  *http.Client
	failing atomic.Bool
	lost    atomic.Uint64 // spans, since it fails
}

var _ sdk.SpanExporter = (*Exporter)(nil)

// ParseURL reads a collector's address, such as http://localhost:4318. Without a
// path it is completed by the protocol's.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("want a URL such as http://localhost:4318")
	}
	if u.User != nil || u.RawQuery != "" {
		return nil, errors.New("secrets are not for the URL: give them in OTEL_EXPORTER_OTLP_HEADERS")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = tracesPath
	}
	return u, nil
}

// ParseHeaders reads what OTEL_EXPORTER_OTLP_HEADERS holds: name=value pairs,
// separated by commas, percent-encoded. The error does not show values.
func ParseHeaders(s string) (http.Header, error) {
	h := http.Header{}
	for pair := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil {
			return nil, errors.New("want NAME=VALUE,NAME=VALUE, percent-encoded")
		}
		h.Set(name, decoded)
	}
	return h, nil
}

// New opens nothing yet. Shutdown ends what it opened later.
func New(c Config) *Exporter {
	if c.HTTP == nil {
		c.HTTP = http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented to be one
	}
	return &Exporter{config: c, client: &http.Client{
		Transport: c.HTTP, Timeout: exportTimeout,
		// Headers are for the collector, and what they are called nobody knows: Go would
		// keep only a few from another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ExportSpans sends spans that are over.
func (e *Exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	err := e.send(ctx, spans)
	switch {
	case err == nil && e.failing.CompareAndSwap(true, false):
		e.config.Log.Info().Uint64("lost", e.lost.Swap(0)).Msg("traces are taken again")
	case err != nil:
		e.lost.Add(uint64(len(spans)))
		if e.failing.CompareAndSwap(false, true) {
			e.config.Log.Warn().Err(err).Str("collector", e.config.URL.Host).Msg("traces are not taken; they are lost until they are")
		}
	}
	return nil
}

func (e *Exporter) send(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	body, err := json.Marshal(encode(spans))
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.config.URL.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range e.config.Headers {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(r)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // the URL is known
		}
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // so that the connection is used again
	if answer.StatusCode/100 != 2 {
		return cmp.Or(fmt.Errorf("the collector answered %s", answer.Status), err)
	}
	return nil
}

// Shutdown closes connections.
func (e *Exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}
