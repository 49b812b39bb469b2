package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
)

// Scripts read these members, in this order; what follows them may grow.
func TestEntriesHaveTheirBytes(t *testing.T) {
	b := newBench(t)
	b.clock.Store(100)
	r := b.put("pay", "db.url", `"postgres://é<>"`)
	const want = `{"namespace":"pay","key":"db.url","value":"postgres://é<>","type":"string","version":1,"updatedAt":"2026-01-23T10:3`
	if r.is(201); !strings.HasPrefix(r.body, want) || !strings.Contains(r.body, `.5Z","updatedBy":"ana","index":4,`) {
		t.Errorf("put answered  %s\nwant %s…", r.body, want)
	}
	if got := b.do("GET", entryPath("pay", "db.url"), nil).is(200); got.body != r.body {
		t.Errorf("get answered %s\nput  answered %s", got.body, r.body)
	}
	if got := b.do("GET", "/api/v1/namespaces/pay/config", nil).is(200); got.body != "["+r.body+"]" {
		t.Errorf("list answered %s", got.body)
	}
	bulk := b.do("GET", "/api/v1/configs", nil).is(200)
	if !strings.HasPrefix(bulk.body, `[{"ns":"pay","key":"db.url","value":"postgres://é<>","type":"string","version":1,"updatedAt":"2026-01-23T10:3`) ||
		!strings.HasSuffix(bulk.body, `.5Z","updatedBy":"ana","index":4}]`) {
		t.Errorf("configs answered %s", bulk.body)
	}
	if got := b.do("GET", "/api/v1/namespaces/empty/config", nil).is(200); got.body != "[]" {
		t.Errorf("an empty list is %s", got.body)
	}
}

// The encoder written by hand writes what encoding/json writes of the shape.
func TestEntryEncoderAgreesWithTheShape(t *testing.T) {
	entries := []events.Entry{
		{Namespace: "a/b", Key: "c/d", Value: events.Value{Type: events.String, JSON: jsontext.Value(`"x"`)}, Version: 1, UpdatedAt: moment, UpdatedBy: "ana", Revision: 3, Created: 3, CreatedAt: moment, CreatedBy: "ana"},
		{Namespace: "a", Key: "k", Value: events.Value{Type: events.JSON, JSON: jsontext.Value(`{"a":[1.50,null]}`)}, Version: 1 << 60, UpdatedAt: moment.Add(time.Nanosecond), UpdatedBy: "O'Neil \"x\" <é\t>", Revision: 1 << 50, Description: "line\nnext \\ \u0001", Comment: "<&>", Tags: []string{"a", "<é\t>"}, CreatedAt: moment.In(time.FixedZone("", 3600)), CreatedBy: "ü"},
		{Namespace: "a", Key: "k", Value: events.Value{Type: events.Number, JSON: jsontext.Value(`1e3`)}, Version: 2, UpdatedAt: moment, Revision: 9},
	}
	for _, e := range entries {
		for _, from := range []string{"", "parent"} {
			want, err := encode(wire.ConfigEntry{
				Namespace: e.Namespace, Key: e.Key, Value: json.RawMessage(e.Value.JSON), Type: string(e.Value.Type), Version: e.Version,
				UpdatedAt: e.UpdatedAt.UTC(), UpdatedBy: e.UpdatedBy, Index: e.Revision, Description: e.Description, Tags: e.Tags, Comment: e.Comment,
				CreatedAt: e.CreatedAt.UTC(), CreatedBy: e.CreatedBy, From: from,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := appendEntry(nil, &e, e.Namespace, from); !bytes.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		want, err := encode(wire.BulkEntry{
			NS: e.Namespace, Key: e.Key, Value: json.RawMessage(e.Value.JSON), Type: string(e.Value.Type), Version: e.Version,
			UpdatedAt: e.UpdatedAt.UTC(), UpdatedBy: e.UpdatedBy, Index: e.Revision,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := appendBulk(nil, &e); !bytes.Equal(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestAnEntryIsReadInTheFormThatIsAskedFor(t *testing.T) {
	b := newBench(t)
	b.put("pay", "text", `"a\nb é"`)
	b.do("PUT", entryPath("pay", "raw"), `{"value":"AAH/","type":"binary"}`).is(201)
	b.put("pay", "doc", `{"a": [1, 2]}`)
	tests := []struct{ key, accept, media, body string }{
		{"text", "text/plain", "text/plain; charset=utf-8", "a\nb é"},
		{"text", "text/*;q=0.9, application/json;q=0.5", "text/plain; charset=utf-8", "a\nb é"},
		{"raw", "text/plain", "text/plain; charset=utf-8", "AAH/"},
		{"raw", "application/octet-stream", "application/octet-stream", "\x00\x01\xff"},
		{"doc", "text/plain", "text/plain; charset=utf-8", `{"a":[1,2]}`},
		{"doc", "text/plain;q=0, */*", "application/json", ""},
		{"doc", "application/json, application/problem+json", "application/json", ""},
		{"doc", "*/*", "application/json", ""},
		{"doc", "image/png", "application/json", ""},
		{"doc", "application/yaml", "application/yaml", ""},
	}
	for _, test := range tests {
		got := b.do("GET", entryPath("pay", test.key), nil, "Accept: "+test.accept).is(200)
		if got.header.Get("Content-Type") != test.media || test.body != "" && got.body != test.body {
			t.Errorf("%s as %s: %s %q, want %s %q", test.key, test.accept, got.header.Get("Content-Type"), got.body, test.media, test.body)
		}
	}
	yaml := b.do("GET", entryPath("pay", "doc"), nil, "Accept: application/yaml").body
	if !strings.HasPrefix(yaml, "namespace: \"pay\"\nkey: \"doc\"\nvalue: {\"a\":[1,2]}\ntype: \"json\"\nversion: 1\n") {
		t.Errorf("YAML is %s", yaml)
	}
}

func TestWritesSayWhatTheyDid(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1").is(201)
	before := b.node.State().Index()
	if again := b.put("pay", "a", "1").is(200); again.header.Get("ETag") != `"v1"` || b.node.State().Index() != before {
		t.Errorf("the same value again: tag %s, index %d, was %d", again.header.Get("ETag"), b.node.State().Index(), before)
	}
	changed := b.put("pay", "a", "2").is(200)
	if changed.header.Get("ETag") != `"v2"` || changed.header.Get(wire.HeaderPosition) != b.node.State().Position().String() {
		t.Errorf("a change: %v", changed.header)
	}
	b.do("DELETE", entryPath("pay", "a"), nil).is(204)
	b.do("DELETE", entryPath("pay", "a"), nil).problem(404, wire.ProblemNotFound)
	b.do("GET", entryPath("pay", "a"), nil).problem(404, wire.ProblemNotFound, "pay/a")
	if back := b.put("pay", "a", "3").is(201); back.header.Get("ETag") != `"v4"` {
		t.Errorf("after a deletion the tag is %s, want \"v4\"", back.header.Get("ETag"))
	}
}

func TestBothSpellingsOfAPathAreOneEntry(t *testing.T) {
	b := newBench(t)
	b.do("PUT", "/api/v1/namespaces/teams/pay/config/stripe/api-version", `{"value":"x"}`).is(201)
	got := b.do("GET", "/api/v1/namespaces/teams%2Fpay/config/stripe%2Fapi-version", nil).is(200)
	if e := decodeAs[wire.ConfigEntry](got); e.Namespace != "teams/pay" || e.Key != "stripe/api-version" {
		t.Errorf("got %+v", e)
	}
	b.do("PUT", "/api/v1/namespaces/teams%2Fpay/config/stripe%2Fapi-version", `{"value":"x"}`).is(200)
}

func TestThePastIsReadAsItWas(t *testing.T) {
	b := newBench(t)
	first := b.put("pay", "a", "1")
	at := decodeAs[wire.ConfigEntry](first).UpdatedAt
	b.put("pay", "a", "2")
	b.put("pay", "b", "1")
	b.do("DELETE", entryPath("pay", "a"), nil).is(204)
	position := first.header.Get(wire.HeaderPosition)
	index := first.header.Get(wire.HeaderIndex)
	for _, moment := range []string{index, position, at.Format(time.RFC3339Nano), at.Add(500 * time.Millisecond).Format("2006-01-02T15:04:05.999999999+00:00")} {
		got := b.do("GET", entryPath("pay", "a")+"?at="+moment, nil).is(200)
		if got.body != first.body || got.header.Get(wire.HeaderPosition) != position || got.header.Get("ETag") != `"v1"` {
			t.Errorf("at %s: %s %v\nwant %s at %s", moment, got.body, got.header, first.body, position)
		}
		if list := b.do("GET", "/api/v1/namespaces/pay/config?at="+moment, nil).is(200); list.body != "["+first.body+"]" {
			t.Errorf("list at %s: %s", moment, list.body)
		}
	}
	b.do("GET", entryPath("pay", "a")+"?at=1", nil).problem(404, wire.ProblemNotFound)
	b.do("GET", entryPath("pay", "a")+"?at=0", nil).problem(404, wire.ProblemNotFound)
	b.do("GET", entryPath("pay", "a")+"?at="+index+"-00000000", nil).problem(409, wire.ProblemOtherHistory)
	b.do("GET", entryPath("pay", "a")+"?wait=1ms&at=99", nil).problem(504, wire.ProblemNotCaughtUp)
	for _, garbage := range []string{"x", "-1", "1-2", "2026-01-23", "2026-13-01T00:00:00Z"} {
		b.do("GET", entryPath("pay", "a")+"?at="+garbage, nil).problem(400, wire.ProblemMalformed, "at")
	}
}

func TestEntriesAreInheritedFromParents(t *testing.T) {
	b := newBench(t)
	b.put("teams", "a", `"top"`)
	b.put("teams", "b", `"top"`)
	b.put("teams/pay", "b", `"mine"`)
	b.put("teams/pay/eu", "c", `"eu"`)
	got := b.do("GET", entryPath("teams/pay/eu", "a")+"?resolve=true", nil).is(200)
	if e := decodeAs[wire.ConfigEntry](got); e.Namespace != "teams/pay/eu" || e.From != "teams" || got.header.Get("ETag") != `"v1@teams"` {
		t.Errorf("got %+v with tag %s", e, got.header.Get("ETag"))
	}
	b.do("GET", entryPath("teams/pay/eu", "a")+"?resolve=true", nil, `If-None-Match: "v1"`).is(200)
	b.do("GET", entryPath("teams/pay/eu", "a")+"?resolve=true", nil, `If-None-Match: "v1@teams"`).is(304)
	b.do("GET", entryPath("teams/pay/eu", "a"), nil).is(404)
	froms := func(path string, headers ...string) string {
		var s []string
		for _, e := range decodeAs[[]wire.ConfigEntry](b.do("GET", path, nil, headers...).is(200)) {
			s = append(s, e.Key+"="+e.From)
		}
		return strings.Join(s, " ")
	}
	const list = "/api/v1/namespaces/teams/pay/eu/config?resolve=true"
	if got := froms(list); got != "a=teams b=teams/pay c=teams/pay/eu" {
		t.Errorf("resolved to %s", got)
	}
	at := b.node.State().Position().String()
	b.do("DELETE", entryPath("teams/pay", "b"), nil).is(204)
	if got := froms(list); got != "a=teams b=teams c=teams/pay/eu" {
		t.Errorf("after a deletion resolved to %s", got)
	}
	if got := froms(list + "&at=" + at); got != "a=teams b=teams/pay c=teams/pay/eu" {
		t.Errorf("in the past resolved to %s", got)
	}
	narrow := "X-Api-Key: " + b.key("eu", "teams/pay/eu", "viewer", "")
	b.do("GET", entryPath("teams/pay/eu", "a")+"?resolve=true", nil, narrow).problem(403, wire.ProblemForbidden, "namespace teams")
	if got := froms(list, narrow); got != "c=teams/pay/eu" {
		t.Errorf("who may not read the parents resolves to %s", got)
	}
}

// Tags stay until they are given; an empty list takes them away.
func TestEntriesHaveTags(t *testing.T) {
	b := newGoverned(t)
	tags := func(body string) string {
		b.t.Helper()
		r := b.do("PUT", entryPath("pay", "a"), body)
		if got := b.do("GET", entryPath("pay", "a"), nil).is(200); got.body != r.body {
			t.Errorf("put answered %s, get %s", r.body, got.body)
		}
		return strings.Join(decodeAs[wire.ConfigEntry](r).Tags, " ")
	}
	for _, test := range []struct{ body, want string }{
		{`{"value":1,"tags":["net","pci"]}`, "net pci"},
		{`{"value":2}`, "net pci"},
		{`{"value":2,"tags":["pci"]}`, "pci"},
		{`{"value":2,"tags":[]}`, ""},
	} {
		if got := tags(test.body); got != test.want {
			t.Errorf("%s: tags %q, want %q", test.body, got, test.want)
		}
	}
	if e := b.node.State().Entry("pay", "a"); e.Version != 4 {
		t.Errorf("at version %d, want 4: tags are a change by themselves", e.Version)
	}
	b.do("PUT", entryPath("pay", "a"), `{"value":1,"tags":[""]}`).problem(400, wire.ProblemMalformed, "/tags")
	b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"b","value":1,"tags":["t"]}]}`).is(200)
	if e := b.node.State().Entry("pay", "b"); len(e.Tags) != 1 {
		t.Errorf("%+v", e)
	}
}
