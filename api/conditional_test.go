package api

import (
	"testing"

	"confman/api/wire"
)

func TestConditionsOfWrites(t *testing.T) {
	tests := []struct {
		name    string
		exists  bool // at version 2
		header  string
		status  int
		problem string
	}{
		{"matches", true, `If-Match: "v2"`, 200, ""},
		{"one of several", true, `If-Match: "v1", "v2"`, 200, ""},
		{"another version", true, `If-Match: "v1"`, 412, wire.ProblemConditionFailed},
		{"weak never matches", true, `If-Match: W/"v2"`, 412, wire.ProblemConditionFailed},
		{"any", true, `If-Match: *`, 200, ""},
		{"any of nothing", false, `If-Match: *`, 412, wire.ProblemConditionFailed},
		{"version of nothing", false, `If-Match: "v1"`, 412, wire.ProblemConditionFailed},
		{"create only", false, `If-None-Match: *`, 201, ""},
		{"create only what exists", true, `If-None-Match: *`, 412, wire.ProblemConditionFailed},
		{"not this version", true, `If-None-Match: "v2"`, 412, wire.ProblemConditionFailed},
		{"not this version, weakly", true, `If-None-Match: W/"v2"`, 412, wire.ProblemConditionFailed},
		{"not another version", true, `If-None-Match: "v1"`, 200, ""},
		{"no tag", true, `If-Match: v2`, 400, wire.ProblemMalformed},
		{"half a tag", true, `If-Match: "v2`, 400, wire.ProblemMalformed},
		{"tags without comma", true, `If-Match: "v1" "v2"`, 400, wire.ProblemMalformed},
		{"trailing comma", true, `If-Match: "v2",`, 400, wire.ProblemMalformed},
		{"not a version", true, `If-Match: "abc"`, 400, wire.ProblemMalformed},
		{"an inherited tag", true, `If-Match: "v2@teams"`, 400, wire.ProblemMalformed},
		{"a huge version", true, `If-Match: "v99999999999999999999"`, 400, wire.ProblemMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			if test.exists {
				b.put("pay", "a", "1")
				b.put("pay", "a", "2")
			}
			before := b.node.State().Index()
			got := b.do("PUT", entryPath("pay", "a"), `{"value":3}`, test.header).is(test.status)
			if test.problem == "" {
				return
			}
			got.problem(test.status, test.problem)
			if b.node.State().Index() != before {
				t.Error("it wrote all the same")
			}
			if got := b.do("DELETE", entryPath("pay", "a"), nil, test.header); got.status != test.status {
				t.Errorf("DELETE: %d %s, want %d", got.status, got.body, test.status)
			}
		})
	}
}

func TestConditionsOfReads(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")
	for _, test := range []struct {
		header string
		status int
	}{
		{`If-None-Match: "v1"`, 304},
		{`If-None-Match: W/"v1"`, 304},
		{`If-None-Match: "x", "v1"`, 304},
		{`If-None-Match: *`, 304},
		{`If-None-Match: "v2"`, 200},
		{`If-Match: "v1"`, 200},
		{`If-Match: *`, 200},
		{`If-Match: "v2"`, 412},
		{`If-Match: nonsense`, 400},
	} {
		got := b.do("GET", entryPath("pay", "a"), nil, test.header).is(test.status)
		if test.status == 304 && (got.body != "" || got.header.Get("ETag") != `"v1"` || got.header.Get(wire.HeaderIndex) == "") {
			t.Errorf("%s: 304 with %q %v", test.header, got.body, got.header)
		}
	}
	b.do("GET", entryPath("pay", "a"), nil, `If-Match: "v1"`, `If-None-Match: "v2"`).problem(400, wire.ProblemMalformed, "both")
	b.do("PUT", entryPath("pay", "a"), `{"value":1}`, `If-Match: "v1"`, `If-None-Match: *`).problem(400, wire.ProblemMalformed, "both")
	for _, path := range []string{"/api/v1/namespaces/pay"} {
		b.do("PUT", path, `{}`, `If-Match: "v1"`).problem(400, wire.ProblemMalformed, "entries only")
		b.do("DELETE", path, nil, `If-Match: "v1"`).problem(400, wire.ProblemMalformed, "entries only")
	}
}
