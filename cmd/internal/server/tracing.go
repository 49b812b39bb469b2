package server

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"confman/cmd/internal/otlp"
)

// TraceOptions say where traces go.
type TraceOptions struct {
	Endpoint string  // empty: nowhere
	Ratio    float64 // of the requests that nobody else has decided about
}

func (o *TraceOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.Endpoint, "otlp-endpoint", "", "URL of an OpenTelemetry collector, such as http://localhost:4318, for traces by OTLP/HTTP as JSON (default: none are made)")
	f.Float64Var(&o.Ratio, "trace-ratio", 1, "share of the requests that are traced, 0 to 1; one that comes with a traceparent is traced if its caller is")
}

func (o TraceOptions) validate() error {
	if o.Ratio < 0 || o.Ratio > 1 {
		return fmt.Errorf("--trace-ratio %v: want 0 to 1", o.Ratio)
	}
	if o.Endpoint == "" {
		return nil
	}
	if _, err := otlp.ParseURL(o.Endpoint); err != nil {
		return fmt.Errorf("--otlp-endpoint: %w", err)
	}
	return nil
}

const (
	tracerName        = "confman"
	traceGoodbye      = time.Second // at a stop, for the last spans
	maxAttributeBytes = 1024        // of one value, unless OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT says otherwise
)

// tracing follows requests to this node, and a write through it. Nothing of it
// holds a value, a key's secret, a token or a query; paths have the names of
// namespaces and keys. nil: nobody is followed, at no cost.
type tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext // W3C
}

func newTracing(o TraceOptions, id string, env Env) (*tracing, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	collector, err := otlp.ParseURL(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("--otlp-endpoint: %w", err)
	}
	headers, err := otlp.ParseHeaders(os.Getenv("OTEL_EXPORTER_OTLP_HEADERS"))
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS: %w", err)
	}
	who, err := resource.New(context.Background(),
		resource.WithAttributes(
			attribute.String("service.name", "confman"), attribute.String("service.version", env.Version), attribute.String("service.instance.id", id)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	limits := sdk.NewSpanLimits()
	if limits.AttributeValueLengthLimit < 0 {
		limits.AttributeValueLengthLimit = maxAttributeBytes
	}
	t := &tracing{provider: sdk.NewTracerProvider(
		sdk.WithBatcher(otlp.New(otlp.Config{URL: collector, Headers: headers, Log: env.Log})),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Ratio))), sdk.WithResource(who), sdk.WithRawSpanLimits(limits),
	)}
	t.tracer = t.provider.Tracer(tracerName, trace.WithInstrumentationVersion(env.Version))
	return t, nil
}

// close sends what is left, as far as the collector takes it at once.
func (t *tracing) close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), traceGoodbye)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // nothing depends on the last spans
}

// server follows the requests of clients. A request's correlation ID is then that
// of its trace, unless the client gave one.
func (t *tracing) server(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			next.ServeHTTP(w, r)
			return
		}
		headers := propagation.HeaderCarrier(r.Header)
		ctx, span := t.tracer.Start(t.context.Extract(r.Context(), headers), methodOf(r), trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		t.context.Inject(ctx, headers)
		r = r.WithContext(ctx)
		noted := &noting{ResponseWriter: w}
		next.ServeHTTP(noted, r)
		if span.IsRecording() {
			describe(span, r, noted)
		}
	})
}

// methodOf is the method of a request. What is none is whatever anybody likes to
// send, as long as a header may be, and is called as OpenTelemetry's conventions do.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch, http.MethodConnect, http.MethodTrace:
		return r.Method
	}
	return "_OTHER"
}

// describe says what a request was. The API has left its route in the request.
func describe(span trace.Span, r *http.Request, answer *noting) {
	span.SetAttributes(
		attribute.String("http.request.method", methodOf(r)), attribute.Int("http.response.status_code", answer.code),
		attribute.String("confman.correlation_id", answer.Header().Get("X-Correlation-Id")))
	if r.Pattern != "" { // of any other path nobody knows what is in it
		span.SetName(methodOf(r) + " " + r.Pattern)
		span.SetAttributes(attribute.String("http.route", r.Pattern))
	}
	if r.Pattern != "" && answer.code/100 == 2 { // what was refused may be a key that somebody put there
		span.SetAttributes(attribute.String("url.path", r.URL.Path))
	}
	if answer.code >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
}

// step follows a step of a write.
func (t *tracing) step(ctx context.Context, step string, began, ended time.Time) {
	if trace.SpanFromContext(ctx).IsRecording() {
		_, span := t.tracer.Start(ctx, step, trace.WithTimestamp(began))
		span.End(trace.WithTimestamp(ended))
	}
}

// client follows what this node asks others for, and tells them the trace.
func (t *tracing) client(name string, through http.RoundTripper) http.RoundTripper {
	if t == nil {
		return through
	}
	return &tracedTransport{t, name, through}
}

type tracedTransport struct {
	*tracing
	name    string
	through http.RoundTripper
}

// RoundTrip implements http.RoundTripper. Of the URL only the host is told: that
// of a webhook may hold a token.
func (t *tracedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := t.tracer.Start(r.Context(), t.name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Host)))
	defer span.End()
	r = r.Clone(ctx)
	t.context.Inject(ctx, propagation.HeaderCarrier(r.Header))
	answer, err := t.through.RoundTrip(r)
	if err != nil {
		span.SetStatus(codes.Error, "")
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", answer.StatusCode))
	return answer, nil
}

// CloseIdleConnections lets go of what waits for a next request.
func (t *tracedTransport) CloseIdleConnections() {
	if c, ok := t.through.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
