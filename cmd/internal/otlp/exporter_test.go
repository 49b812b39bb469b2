package otlp

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// stub is a span of each kind of value. The expected text is the protocol's JSON
// mapping (opentelemetry-proto, examples/trace.json).
func stub() tracetest.SpanStubs {
	id := trace.SpanContextConfig{TraceID: trace.TraceID{0x5b, 0x8e, 15: 1}, SpanID: trace.SpanID{0xee, 7: 2}}
	parent := trace.SpanContextConfig{TraceID: id.TraceID, SpanID: trace.SpanID{0xaa, 7: 3}, Remote: true}
	return tracetest.SpanStubs{{
		Name: "PUT", SpanContext: trace.NewSpanContext(id), Parent: trace.NewSpanContext(parent), SpanKind: trace.SpanKindServer,
		StartTime: time.Unix(1544712660, 5), EndTime: time.Unix(1544712661, 0),
		Attributes: []attribute.KeyValue{attribute.String("s", "x"), attribute.Int("i", 7), attribute.Bool("b", false), attribute.Float64("f", 0.5)},
		Status:     sdk.Status{Code: codes.Error}, Resource: resource.NewSchemaless(attribute.String("service.name", "confman")),
		InstrumentationScope: instrumentation.Scope{Name: "confman", Version: "1"},
	}}
}

const encoded = `{"resourceSpans":[{
	"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"confman"}}]},
	"scopeSpans":[{"scope":{"name":"confman","version":"1"},"spans":[{
		"traceId":"5b8e0000000000000000000000000001","spanId":"ee00000000000002","parentSpanId":"aa00000000000003","name":"PUT","kind":2,
		"startTimeUnixNano":"1544712660000000005","endTimeUnixNano":"1544712661000000000",
		"attributes":[{"key":"s","value":{"stringValue":"x"}},{"key":"i","value":{"intValue":"7"}},{"key":"b","value":{"boolValue":false}},{"key":"f","value":{"doubleValue":0.5}}],
		"status":{"code":2}}]}]}]}`

func TestSpansAreSentAsTheProtocolHasThem(t *testing.T) {
	var got []byte
	var shown http.Header
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		shown = r.Header
	}))
	defer s.Close()
	u, err := ParseURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	headers, err := ParseHeaders("Authorization=Bearer%20secret, x-tenant=7")
	if err != nil {
		t.Fatal(err)
	}
	e := New(Config{URL: u, Headers: headers})
	if err := e.ExportSpans(t.Context(), stub().Snapshots()); err != nil {
		t.Fatal(err)
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var have, want any
	if err := json.Unmarshal(got, &have); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(encoded), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if shown.Get("Authorization") != "Bearer secret" || shown.Get("X-Tenant") != "7" {
		t.Errorf("shown %q", shown)
	}
}

func TestAnOutageOfTheCollectorIsSaidOnce(t *testing.T) {
	status := http.StatusServiceUnavailable
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer s.Close()
	u, err := ParseURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e := New(Config{URL: u, Headers: http.Header{"Authorization": {"a secret"}}, Log: zerolog.New(&log)})
	defer e.Shutdown(context.Background())
	for range 3 {
		if err := e.ExportSpans(t.Context(), stub().Snapshots()); err != nil {
			t.Fatal(err)
		}
	}
	status = http.StatusOK
	for range 2 {
		if err := e.ExportSpans(t.Context(), stub().Snapshots()); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "503") || !strings.Contains(lines[1], `"lost":3`) || strings.Contains(log.String(), "a secret") {
		t.Errorf("logged\n%s", log.String())
	}
}

func TestHeadersAreShownToTheCollectorOnly(t *testing.T) {
	shown := make(chan http.Header, 1)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { shown <- r.Header }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	u, err := ParseURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e := New(Config{URL: u, Headers: http.Header{"X-Tenant-Key": {"a secret"}}, Log: zerolog.New(&log)})
	defer e.Shutdown(context.Background())
	if err := e.ExportSpans(t.Context(), stub().Snapshots()); err != nil {
		t.Fatal(err)
	}
	if len(shown) > 0 || !strings.Contains(log.String(), "307") {
		t.Errorf("where it was sent on to was shown %d requests; logged %s", len(shown), log.String())
	}
}

func TestAnAddressIsCompletedOrRefused(t *testing.T) {
	for given, want := range map[string]string{
		"http://localhost:4318":     "http://localhost:4318/v1/traces",
		"https://collector/":        "https://collector/v1/traces",
		"https://collector/else":    "https://collector/else",
		"localhost:4318":            "",
		"ftp://collector":           "",
		"http://u:p@collector":      "",
		"http://collector/?token=x": "",
	} {
		u, err := ParseURL(given)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%s: %v, %v", given, u, err)
		}
	}
	if _, err := ParseHeaders("secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
