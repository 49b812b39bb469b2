package otlp

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The messages of opentelemetry/proto/collector/trace/v1 and trace/v1, as far as
// they are used. In JSON, IDs are hexadecimal and 64-bit integers are strings.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   attributed   `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	attributed struct {
		Attributes []keyValue `json:"attributes,omitempty"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	span struct {
		TraceID      string     `json:"traceId"`
		SpanID       string     `json:"spanId"`
		TraceState   string     `json:"traceState,omitempty"`
		ParentSpanID string     `json:"parentSpanId,omitempty"`
		Name         string     `json:"name"`
		Kind         int        `json:"kind"`
		Start        string     `json:"startTimeUnixNano"`
		End          string     `json:"endTimeUnixNano"`
		Attributes   []keyValue `json:"attributes,omitempty"`
		Status       status     `json:"status"`
	}
	status struct {
		Code int `json:"code,omitempty"`
	}
	keyValue struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string  `json:"stringValue,omitempty"`
		Bool   *bool    `json:"boolValue,omitempty"`
		Int    *string  `json:"intValue,omitempty"`
		Double *float64 `json:"doubleValue,omitempty"`
	}
)

// Of opentelemetry.proto.trace.v1.Status.StatusCode.
const (
	statusOK    = 1
	statusError = 2
)

// encode encodes spans of one program, which one tracer made.
func encode(spans []sdk.ReadOnlySpan) request {
	made := spans[0].InstrumentationScope()
	of := scopeSpans{Scope: scope{made.Name, made.Version}}
	for _, s := range spans {
		of.Spans = append(of.Spans, spanOf(s))
	}
	return request{[]resourceSpans{{
		Resource: attributed{pairs(spans[0].Resource().Attributes())}, ScopeSpans: []scopeSpans{of},
	}}}
}

func spanOf(s sdk.ReadOnlySpan) span {
	encoded := span{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(), TraceState: s.SpanContext().TraceState().String(),
		Name: s.Name(), Kind: int(trace.ValidateSpanKind(s.SpanKind())), // the same numbers
		Start: nanoseconds(s.StartTime()), End: nanoseconds(s.EndTime()),
		Attributes: pairs(s.Attributes()),
	}
	if s.Parent().HasSpanID() {
		encoded.ParentSpanID = s.Parent().SpanID().String()
	}
	switch s.Status().Code {
	case codes.Ok:
		encoded.Status.Code = statusOK
	case codes.Error:
		encoded.Status.Code = statusError
	}
	return encoded
}

func nanoseconds(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func pairs(attributes []attribute.KeyValue) (pairs []keyValue) {
	for _, a := range attributes {
		pairs = append(pairs, keyValue{string(a.Key), valueOf(a.Value)})
	}
	return pairs
}

// valueOf encodes a value; a list becomes its text.
func valueOf(v attribute.Value) value {
	switch v.Type() {
	case attribute.BOOL:
		return value{Bool: new(v.AsBool())}
	case attribute.INT64:
		return value{Int: new(strconv.FormatInt(v.AsInt64(), 10))}
	case attribute.FLOAT64:
		return value{Double: new(v.AsFloat64())}
	}
	return value{String: new(v.String())}
}
