package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

func draftPath(namespace, key string) string {
	return namespacesPath + namespace + "/drafts/" + key
}

func TestADraftIsSavedComparedAndDiscarded(t *testing.T) {
	b := newGoverned(t)
	b.do("PUT", entryPath("pay", "port"), `{"value":80,"description":"the port","tags":["net"]}`).is(201)
	path := draftPath("pay", "port")
	b.do("GET", path, nil).problem(404, wire.ProblemNotFound, "pay/port")
	b.do("PUT", path, `{"value":81}`, `If-Match: "r3"`).problem(412, wire.ProblemConditionFailed)
	first := b.do("PUT", path, `{"value":81,"comment":"why"}`, "If-None-Match: *").is(201)
	d := decodeAs[wire.Draft](first)
	tag := fmt.Sprintf(`"r%d"`, b.node.State().Index())
	if first.header.Get("ETag") != tag || d.Revision != b.node.State().Index() || string(d.Value) != "81" || d.Type != "number" || d.Description != "the port" ||
		!slices.Equal(d.Tags, []string{"net"}) || d.Comment != "why" || d.UpdatedBy != "ana" || d.Live == nil || string(d.Live.Value) != "80" || d.Live.Version != 1 || d.Errors != nil {
		t.Errorf("%s %+v", first.header.Get("ETag"), d)
	}
	if got := b.do("GET", path, nil).is(200); got.body != first.body || got.header.Get("ETag") != tag {
		t.Errorf("read %s %s, saved %s", got.header.Get("ETag"), got.body, first.body)
	}
	b.do("GET", path, nil, "If-None-Match: "+tag).is(304)
	b.writesNothing(func() {
		b.do("PUT", path, `{"value":81,"comment":"why"}`).is(200)
		b.do("PUT", path, `{"value":82}`, "If-None-Match: *").problem(412, wire.ProblemConditionFailed)
		b.do("PUT", path, `{"value":82}`, `If-Match: "r1"`).problem(412, wire.ProblemConditionFailed)
		b.do("DELETE", path, nil, `If-Match: "r1"`).problem(412, wire.ProblemConditionFailed)
		if got := b.value("pay", "port"); got != "80" {
			t.Errorf("the live value is %s", got)
		}
	})
	deletion := decodeAs[wire.Draft](b.do("PUT", path, `{"delete":true}`, "If-Match: "+tag).is(200))
	if !deletion.Delete || deletion.Value != nil || deletion.Type != "" {
		t.Errorf("%+v", deletion)
	}
	b.do("DELETE", path, nil, "If-Match: *").is(204)
	b.do("DELETE", path, nil).problem(404, wire.ProblemNotFound)
	b.do("PUT", path, `{"value":83}`).is(201)
}

// A draft may break the schema, and says so; publishing it may not.
func TestADraftMayBeInvalid(t *testing.T) {
	b := newGoverned(t)
	b.do("PUT", policyPath("pay", "schema"), `{"schema":{"properties":{"a/b":{"maximum":5}}}}`).is(200)
	d := decodeAs[wire.Draft](b.do("PUT", draftPath("pay", "a/b"), `{"value":6}`).is(201))
	if len(d.Errors) != 1 || d.Errors[0].Pointer != "/a~1b" {
		t.Errorf("errors %+v", d.Errors)
	}
	b.do("POST", requestsPath, `{"namespace":"pay","key":"a/b"}`).problem(422, wire.ProblemInvalid, "/a~1b")
	if d := decodeAs[wire.Draft](b.do("PUT", draftPath("pay", "a/b"), `{"value":5}`).is(200)); d.Errors != nil {
		t.Errorf("errors %+v", d.Errors)
	}
	b.do("POST", requestsPath, `{"namespace":"pay","key":"a/b"}`).is(201)
}

func TestADraftUnderReviewIsLocked(t *testing.T) {
	b := newGoverned(t)
	b.do("PUT", draftPath("pay", "a"), `{"value":1}`).is(201)
	id := b.submitted(b.root, `{"namespace":"pay","key":"a"}`)
	b.writesNothing(func() {
		b.do("PUT", draftPath("pay", "a"), `{"value":2}`).problem(409, wire.ProblemDraftLocked, id)
		b.do("DELETE", draftPath("pay", "a"), nil).problem(409, wire.ProblemDraftLocked, id)
		b.do("POST", requestsPath, `{"namespace":"pay","key":"a"}`).problem(409, wire.ProblemDraftLocked, id)
		b.do("DELETE", namespacesPath+"pay", nil).problem(409, wire.ProblemDraftLocked, id)
	})
	if d := decodeAs[wire.Draft](b.do("GET", draftPath("pay", "a"), nil).is(200)); d.Request != id {
		t.Errorf("%+v", d)
	}
	b.do("POST", requestsPath+"/"+id+"/withdraw", nil).is(200)
	if d := decodeAs[wire.Draft](b.do("PUT", draftPath("pay", "a"), `{"value":2}`).is(200)); d.Request != "" {
		t.Errorf("%+v", d)
	}
}

func TestDraftsAreListedToTheirEditors(t *testing.T) {
	b := newGoverned(t)
	for _, key := range []string{"db/a", "db/b", "db/c", "web/a", "web/b"} {
		b.do("PUT", draftPath("pay", key), `{"value":1}`).is(201)
	}
	b.do("PUT", draftPath("pay/eu", "db/a"), `{"value":1}`).is(201)
	key := func(d wire.Draft) string { return d.Key }
	list := namespacesPath + "pay/drafts?limit=2"
	for _, test := range []struct{ query, role, keys, want string }{
		{"", "editor", "", "db/a db/b db/c web/a web/b"},
		{"", "publisher", "db/*", "db/a db/b db/c"},
		{"", "viewer", "", ""},
		{"&prefix=web", "admin", "", "web/a web/b"},
		{"&prefix=db/b", "editor", "", "db/b"},
	} {
		who := by(b.key("k", "pay", test.role, test.keys))
		if got := strings.Join(keysOf(b.walk(list+test.query, who), key), " "); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
	b.do("GET", list, nil, by(b.key("k", "other", "admin", ""))).problem(403, wire.ProblemForbidden)
}

func TestARepeatedDraftHasTheFirstAnswer(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", "1")
	first := b.do("PUT", draftPath("pay", "a"), `{"value":2}`, "Idempotency-Key: k").is(201)
	b.do("PUT", draftPath("pay", "a"), `{"value":3}`).is(200)
	b.put("pay", "a", "4")
	b.do("PUT", policyPath("pay", "schema"), `{"schema":{"properties":{"a":{"minimum":3}}}}`).is(200)
	b.writesNothing(func() {
		again := b.do("PUT", draftPath("pay", "a"), `{"value":2}`, "Idempotency-Key: k").is(201)
		if again.body != first.body || again.header.Get("ETag") != first.header.Get("ETag") {
			t.Errorf("first %s\nagain %s", first.body, again.body)
		}
	})
	b.do("DELETE", draftPath("pay", "a"), nil, "Idempotency-Key: d").is(204)
	b.do("PUT", draftPath("pay", "a"), `{"value":5}`).is(201)
	b.writesNothing(func() { b.do("DELETE", draftPath("pay", "a"), nil, "Idempotency-Key: d").is(204) })
}
