// Package otlp sends spans to a collector by OTLP over HTTP, encoded as JSON
// (OpenTelemetry Protocol 1.x, "OTLP/HTTP" and "JSON Protobuf Encoding"). It knows
// of spans what this program's have: one tracer, no events, no links. What a
// collector does not take is lost: there is no retry.
package otlp
