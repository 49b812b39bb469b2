package api

import (
	"testing"

	"confman/api/wire"
)

func TestAValueIsValidatedWithoutBeingWritten(t *testing.T) {
	b := newGoverned(t)
	viewer := by(b.key("v", "pay", "viewer", ""))
	for _, test := range []struct {
		body, pointer string
		valid         bool
	}{
		{`{"schema":{"type":"object","properties":{"port":{"maximum":65535}}},"value":{"port":80}}`, "", true},
		{`{"schema":{"properties":{"db/url":{"properties":{"port":{"maximum":65535}}}}},"value":{"db/url":{"port":70000}}}`, "/db~1url/port", false},
		{`{"schema":true,"value":null}`, "", true},
		{`{"schema":false,"value":1}`, "", false},
		{`{"schema":{"const":9007199254740993},"value":9007199254740992}`, "", false}, // no number goes through a float
	} {
		b.writesNothing(func() {
			v := decodeAs[wire.Validation](b.do("POST", "/api/v1/validate", test.body, viewer).is(200))
			if v.Valid != test.valid || v.Errors == nil || !v.Valid && (len(v.Errors) != 1 || v.Errors[0].Pointer != test.pointer) {
				t.Errorf("%s: %+v", test.body, v)
			}
		})
	}
	for body, pointer := range map[string]string{
		`{"schema":{"type":"nothing"},"value":1}`:           "/schema/type",
		`{"schema":{"$ref":"http://elsewhere/"},"value":1}`: "/schema/$ref",
		`{"schema":{}}`: "/value",
		`{"value":1}`:   "/schema",
		`{"schema":{"properties":{"a":{"pattern":"("}}},"value":1}`: "/schema/properties/a/pattern",
	} {
		if p := b.do("POST", "/api/v1/validate", body, viewer).problem(400, wire.ProblemMalformed); len(p.Errors) == 0 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: errors %+v, want one at %s", body, p.Errors, pointer)
		}
	}
	b.do("POST", "/api/v1/validate", `{}`, "X-Api-Key: ").problem(401, wire.ProblemUnauthenticated)
}
