package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

const erasuresPath = "/api/v1/audit/erasures"

// leaky is a bench whose pay/db had a value that is to go: as a draft, published,
// overwritten, brought back and overwritten again; and other/copy holds it too.
func leaky(t *testing.T) (b *bench, first uint64) {
	b = newGoverned(t)
	b.do("PUT", "/api/v1/namespaces/pay/drafts/db", `{"value":"hunter2-of-old","comment":"soon"}`).is(201)
	first = b.node.State().Index()
	b.do("DELETE", "/api/v1/namespaces/pay/drafts/db", nil).is(204)
	b.put("pay", "db", `"hunter2-of-old"`)
	b.put("pay", "db", `"better"`)
	b.do("POST", rollbackPath+"/db", `{"toVersion":1}`).is(200)
	b.put("other", "copy", `"hunter2-of-old"`)
	return b, first
}

func TestAnErasedValueIsToldNowhere(t *testing.T) {
	b, first := leaky(t)
	const ask = `{"namespace":"pay","key":"db","version":1,"reason":"leaked, INC-7"}`
	b.writesNothing(func() {
		b.do("POST", erasuresPath, ask).is(409).contains("pay/db has this value now")
		b.do("POST", erasuresPath+"?dry_run=true", ask).is(409)
	})
	b.put("pay", "db", `"best"`)
	before := b.node.State().Index()
	b.writesNothing(func() {
		dry := decodeAs[wire.Erased](b.do("POST", erasuresPath+"?dry_run=true", ask).is(200))
		if len(dry.Records) != 5 || dry.Elsewhere != 1 || dry.Index != 0 || !slices.Equal(dry.Others, []wire.OtherHeld{{Namespace: "other", Key: "copy", Records: 1}}) {
			t.Errorf("a dry run says %+v", dry)
		}
	})
	erased := decodeAs[wire.Erased](b.do("POST", erasuresPath, ask, "Idempotency-Key: once").is(201))
	var got []string
	for _, r := range erased.Records {
		got = append(got, r.Action+" "+strings.Join(r.Values, ","))
	}
	want := "draft.saved value; config.created value; config.updated previous; config.rolled-back value; config.updated previous"
	if strings.Join(got, "; ") != want || erased.Index <= before || erased.Elsewhere != 1 {
		t.Errorf("%+v, want %s", erased, want)
	}
	again := b.do("POST", erasuresPath, ask, "Idempotency-Key: once").is(201)
	if decodeAs[wire.Erased](again).Index != erased.Index || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the retry was answered by %s", again.body)
	}
	b.do("POST", erasuresPath, ask).is(404)
	for _, path := range []string{
		"/api/v1/namespaces/pay/history/db",
		"/api/v1/namespaces/pay/audit?limit=1000",
		"/api/v1/audit?namespace=pay",
		fmt.Sprintf("/api/v1/namespaces/pay/config/db?at=%d", first+2),
		fmt.Sprintf("/api/v1/namespaces/pay/config?at=%d", first+2),
		fmt.Sprintf("/api/v1/diff?from=pay@%d&to=pay", first+2),
	} {
		if r := b.do("GET", path, nil).is(200); strings.Contains(r.body, "hunter2") || !strings.Contains(r.body, "erased") {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	csv := b.do("GET", "/api/v1/audit?namespace=pay", nil, "Accept: text/csv").is(200).body
	json := b.do("GET", "/api/v1/audit?namespace=pay", nil).is(200).body
	if n := strings.Count(json, `"erased":true`); n == 0 || strings.Count(csv, ",true\r\n") != n {
		t.Errorf("%d events say in JSON that they lack something, and in CSV\n%s", n, csv)
	}
	if r := b.do("GET", fmt.Sprintf("/api/v1/namespaces/pay/config/db?at=%d", first+2), nil, "Accept: text/plain").is(200); r.body != "erased" {
		t.Errorf("as text: %q", r.body)
	}
	b.writesNothing(func() {
		b.do("POST", rollbackPath+"/db", `{"toVersion":1}`).is(409).contains("erased")
	})
	if b.value("pay", "db") != `"best"` || b.value("other", "copy") != `"hunter2-of-old"` {
		t.Error("a live value was touched")
	}
}

func TestAnErasureReachesOtherKeysWhenToldTo(t *testing.T) {
	b, first := leaky(t)
	b.put("pay", "db", `1`)
	ask := fmt.Sprintf(`{"namespace":"pay","key":"db","index":%d,"reason":"leaked","everywhere":true}`, first)
	b.do("POST", erasuresPath, ask).is(409).contains("other/copy")
	b.put("other", "copy", `2`)
	if erased := decodeAs[wire.Erased](b.do("POST", erasuresPath, ask).is(201)); len(erased.Records) != 7 || erased.Elsewhere != 0 {
		t.Errorf("%+v", erased)
	}
	if r := b.do("GET", "/api/v1/audit", nil, "Accept: application/x-ndjson").is(200); strings.Contains(r.body, "hunter2") {
		t.Errorf("%s", r.body)
	}
}

func TestErasuresThatCannotBe(t *testing.T) {
	b, _ := leaky(t)
	for _, tt := range []struct {
		body, word string
		status     int
	}{
		{`{"namespace":"pay","key":"db","reason":"r"}`, "neither or both", 400},
		{`{"namespace":"pay","key":"db","version":1,"index":3,"reason":"r"}`, "neither or both", 400},
		{`{"namespace":"pay","key":"db","version":77,"reason":"r"}`, "no version 77", 404},
		{`{"namespace":"pay","key":"db","version":2}`, "/reason", 400},
		{`{"namespace":"pay","key":"db","index":1,"reason":"r"}`, "not about pay/db", 400},
		{`{"namespace":"p/../q","key":"db","version":1,"reason":"r"}`, "namespace", 400},
	} {
		b.writesNothing(func() { b.do("POST", erasuresPath, tt.body).is(tt.status).contains(tt.word) })
	}
}

// contains fails the test unless the answer has a word in it.
func (r reply) contains(word string) {
	r.t.Helper()
	if !strings.Contains(r.body, word) {
		r.t.Errorf("%s: %s, want %q in it", r.what, r.body, word)
	}
}

// A value may stand in an entry or a draft whose record was trimmed long ago: it is
// not overlooked.
func TestAnErasureFindsWhatStandsSinceBeforeTheHorizon(t *testing.T) {
	b := newGoverned(t)
	b.put("other", "copy", `"hunter2-of-old"`)
	b.do("PUT", "/api/v1/namespaces/web/drafts/copy", `{"value":"hunter2-of-old"}`).is(201)
	b.put("pay", "db", `1`)
	b.trim(b.node.State().Index())
	b.put("pay", "db", `"hunter2-of-old"`)
	b.put("pay", "db", `2`)
	const ask = `{"namespace":"pay","key":"db","version":2,"reason":"leaked"`
	if dry := decodeAs[wire.Erased](b.do("POST", erasuresPath+"?dry_run=true", ask+`}`).is(200)); len(dry.Records) != 2 || dry.Elsewhere != 2 {
		t.Errorf("%+v", dry)
	}
	b.writesNothing(func() {
		b.do("POST", erasuresPath, ask+`,"everywhere":true}`).is(409).contains("other/copy has this value now")
	})
	b.put("other", "copy", `3`)
	b.do("POST", erasuresPath, ask+`,"everywhere":true}`).is(409).contains("the draft of web/copy")
	b.do("DELETE", "/api/v1/namespaces/web/drafts/copy", nil).is(204)
	if done := decodeAs[wire.Erased](b.do("POST", erasuresPath, ask+`,"everywhere":true}`).is(201)); len(done.Records) != 3 || done.Elsewhere != 0 {
		t.Errorf("%+v", done)
	}
}
