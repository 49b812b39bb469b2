package api

import (
	"regexp"
	"strings"
	"testing"

	"confman/api/wire"
)

func TestEveryAnswerSaysWhichRequestItIsFor(t *testing.T) {
	b := newBench(t)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	tests := []struct {
		name    string
		headers []string
		want    string // a regular expression
	}{
		{"given", []string{"X-Correlation-Id: Ab.9_-x"}, `Ab\.9_-x`},
		{"made up", nil, `[0-9A-Z]{26}`},
		{"not printable as it is", []string{"X-Correlation-Id: a b"}, `[0-9A-Z]{26}`},
		{"too long", []string{"X-Correlation-Id: " + strings.Repeat("x", 129)}, `[0-9A-Z]{26}`},
		{"trace", []string{"Traceparent: 00-" + trace + "-b7ad6b7169203331-01"}, trace},
		{"given beats trace", []string{"X-Correlation-Id: mine", "Traceparent: 00-" + trace + "-b7ad6b7169203331-01"}, `mine`},
		{"zero trace", []string{"Traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01"}, `[0-9A-Z]{26}`},
		{"half a trace", []string{"Traceparent: 00-" + trace}, `[0-9A-Z]{26}`},
	}
	for _, test := range tests {
		for _, path := range []string{"/health", "/api/v1/whoami", "/nowhere", "/api/v1/keys/x/y"} {
			got := b.do("GET", path, nil, test.headers...).header.Get(wire.HeaderCorrelationID)
			if !regexp.MustCompile("^" + test.want + "$").MatchString(got) {
				t.Errorf("%s, %s: %q", test.name, path, got)
			}
		}
	}
	b.do("PUT", entryPath("pay", "a"), `{"value":1}`, "X-Correlation-Id: c-42").is(201)
	if got := decodeAs[[]wire.AuditEvent](b.do("GET", "/api/v1/namespaces/pay/audit?limit=1", nil))[0]; got.CorrelationID != "c-42" {
		t.Errorf("the event bears %q", got.CorrelationID)
	}
}

func TestAnswersKeepBrowsersAndCachesInCheck(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")
	got := b.do("GET", entryPath("pay", "a"), nil).header
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, X-Api-Key",
		"Access-Control-Allow-Origin": "",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	for _, r := range []reply{b.do("GET", "/health", nil), b.do("GET", entryPath("pay", "none"), nil)} {
		if r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", r.what, r.header.Get("Cache-Control"))
		}
	}
}

func TestOnlyConfiguredOriginsMayRead(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Web.CORSOrigins = []string{"https://ui.example"} })
	mine := b.do("GET", "/api/v1/namespaces", nil, "Origin: https://ui.example").is(200).header
	if mine.Get("Access-Control-Allow-Origin") != "https://ui.example" || !strings.Contains(mine.Get("Access-Control-Expose-Headers"), wire.HeaderPosition) ||
		!strings.Contains(strings.Join(mine.Values("Vary"), ","), "Origin") {
		t.Errorf("%v", mine)
	}
	if got := b.do("GET", "/api/v1/namespaces", nil, "Origin: https://evil.example").header; got.Get("Access-Control-Allow-Origin") != "" ||
		!strings.Contains(strings.Join(got.Values("Vary"), ","), "Origin") {
		t.Errorf("%v", got)
	}
	failed := b.do("GET", entryPath("pay", "none"), nil, "Origin: https://ui.example").is(404).header
	if failed.Get("Access-Control-Allow-Origin") == "" {
		t.Error("an error cannot be read by the origin that may")
	}
	asked := b.do("OPTIONS", entryPath("pay", "a"), nil, "X-Api-Key: ", "Origin: https://ui.example", "Access-Control-Request-Method: PUT").is(204).header
	if !strings.Contains(asked.Get("Access-Control-Allow-Methods"), "PUT") || !strings.Contains(asked.Get("Access-Control-Allow-Headers"), "X-Api-Key") {
		t.Errorf("%v", asked)
	}
	refused := b.do("OPTIONS", entryPath("pay", "a"), nil, "X-Api-Key: ", "Origin: https://evil.example").is(204).header
	if refused.Get("Access-Control-Allow-Methods") != "" || refused.Get("Allow") == "" {
		t.Errorf("%v", refused)
	}
}

func TestOnlyAllowedHostsGetData(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Web.AllowedHosts = []string{"confman.example"} })
	b.do("GET", "/api/v1/namespaces", nil).problem(403, wire.ProblemForbidden, "127.0.0.1")
	b.do("GET", "/health", nil).is(200)
	ok := newBench(t, func(c *Config) { c.Web.AllowedHosts = []string{"127.0.0.1"} })
	ok.do("GET", "/api/v1/namespaces", nil).is(200)
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a server without anything was made")
	}
}
