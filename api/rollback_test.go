package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
)

const rollbackPath = "/api/v1/namespaces/pay/rollback"

func TestAKeyGoesBackToAVersionAnEventOrATime(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `"one"`)
	index := b.node.State().Index()
	at := b.node.State().Time()
	b.put("pay", "a", `"two"`)
	for _, body := range []string{`{"toVersion":1}`, fmt.Sprintf(`{"toIndex":%d}`, index), `{"toTime":"` + at.Format(time.RFC3339Nano) + `"}`} {
		changed := b.do("POST", rollbackPath+"/a", strings.Replace(body, "}", `,"comment":"was better"}`, 1)).is(200).changes(`update pay/a "two">"one"`)
		e := b.node.State().Entry("pay", "a")
		if b.value("pay", "a") != `"one"` || e.Comment != "was better" || changed.Index != e.Revision || changed.DryRun || changed.Changes[0].NewVersion != e.Version {
			t.Errorf("%s: %+v, entry %+v", body, changed, e)
		}
		b.do("POST", rollbackPath+"/a", body).is(200).changes() // it is so already
		b.put("pay", "a", `"two"`)
	}
	v := decodeAs[[]wire.HistoryVersion](b.do("GET", "/api/v1/namespaces/pay/history/a", nil).is(200))
	if v[1].Action != "config.rolled-back" {
		t.Errorf("the rollback is %+v in the history", v[1])
	}
}

func TestAKeyGoesBackToItsAbsence(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	b.do("DELETE", entryPath("pay", "a"), nil).is(204)
	b.put("pay", "a", `3`)
	b.do("POST", rollbackPath+"/a", `{"toVersion":2}`).is(200).changes(`delete pay/a 3>`)
	b.do("POST", rollbackPath+"/a", `{"toVersion":3}`).is(200).changes(`create pay/a >3`)
	b.do("POST", rollbackPath+"/a", `{"toTime":"1970-01-01T00:00:00Z"}`).is(200).changes(`delete pay/a 3>`)
}

func TestRollbacksThatCannotBe(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	for _, test := range []struct {
		path, body string
		status     int
		word       string
	}{
		{"/a", `{}`, 400, "0 of"},
		{"/a", `{"toVersion":1,"toIndex":3}`, 400, "2 of"},
		{"/a", `{"toVersion":9}`, 404, "no version 9"},
		{"/a", `{"toIndex":900}`, 400, "newest event"},
		{"/a", `{"toTime":"2999-01-01T00:00:00Z"}`, 400, "future"},
		{"/b", `{"toIndex":3}`, 404, "never existed"},
		{"", `{"toVersion":1}`, 400, "single key"},
	} {
		b.writesNothing(func() {
			got := b.do("POST", rollbackPath+test.path, test.body)
			if got.status != test.status || !strings.Contains(got.body, test.word) {
				t.Errorf("%s %s: %d %s, want %d and %q", test.path, test.body, got.status, got.body, test.status, test.word)
			}
		})
	}
	b.do("POST", "/api/v1/namespaces/typo/rollback", `{"toIndex":3}`).problem(404, wire.ProblemNotFound)
	b.do("POST", rollbackPath+"/a", `{"toVersion":1}`, `If-Match: "v1"`).problem(400, wire.ProblemMalformed)
}

func TestANamespaceGoesBackAsAWhole(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "changed", `1`)
	b.put("pay", "gone", `1`)
	b.put("pay", "same", `1`)
	b.put("pay/eu", "below", `1`)
	index := b.node.State().Index()
	b.put("pay", "changed", `2`)
	b.do("DELETE", entryPath("pay", "gone"), nil).is(204)
	b.put("pay", "new", `1`)
	b.put("pay/eu", "below", `2`)
	body := fmt.Sprintf(`{"toIndex":%d}`, index)
	want := []string{"update pay/changed 2>1", "create pay/gone >1", "delete pay/new 1>"}
	b.writesNothing(func() {
		if c := b.do("POST", rollbackPath+"?dry_run=true", body).is(200).changes(want...); !c.DryRun {
			t.Error("a dry run does not say so")
		}
	})
	before := b.node.State().Index()
	c := b.do("POST", rollbackPath, body, "Idempotency-Key: k1").is(200).changes(want...)
	if now := b.node.State().Index(); now != before+3 || c.Index != now || b.value("pay/eu", "below") != "2" {
		t.Errorf("stands at %d after %d, answer %+v", now, before, c)
	}
	b.put("pay", "new", `5`)
	b.writesNothing(func() {
		r := b.do("POST", rollbackPath, body, "Idempotency-Key: k1").is(200)
		if r.changes(want...); r.header.Get("Idempotent-Replayed") != "true" {
			t.Error("a repeated rollback does not say so")
		}
	})
}

func TestRollbackNeedsThePublisher(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "db/a", `1`)
	b.put("pay", "db/a", `2`)
	editor, some := b.key("ed", "pay", "editor", ""), b.key("pub", "pay", "publisher", "db/*")
	body := `{"toVersion":1}`
	b.writesNothing(func() {
		b.do("POST", rollbackPath+"/db/a", body, by(editor)).problem(403, wire.ProblemForbidden, "publisher")
		b.do("POST", rollbackPath, `{"toIndex":3}`, by(some)).problem(403, wire.ProblemForbidden, "publisher")
	})
	b.do("POST", rollbackPath+"/db/a", body, by(some)).is(200).changes("update pay/db/a 2>1")
}

func TestARollbackThatNeedsApprovalBecomesARequest(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	b.put("pay", "a", `2`)
	b.settings("pay", events.Settings{RollbackRequiresApproval: yes()})
	b.writesNothing(func() {
		b.do("POST", rollbackPath+"/a?dry_run=true", `{"toVersion":1}`).is(200).changes("update pay/a 2>1")
	})
	r := b.do("POST", rollbackPath+"/a", `{"toVersion":1}`, "Idempotency-Key: r").is(201)
	c := r.changes("update pay/a 2>1")
	request := b.node.State().Request(c.Request)
	if b.value("pay", "a") != "2" || r.header.Get("Location") != requestsPath+"/"+c.Request || request.Source == nil || request.Source.Kind != wire.SourceRollback {
		t.Errorf("%+v, request %+v", c, request)
	}
	b.writesNothing(func() {
		if again := b.do("POST", rollbackPath+"/a", `{"toVersion":1}`, "Idempotency-Key: r").is(201).changes("update pay/a 2>1"); again.Request != c.Request {
			t.Errorf("asked again, it is request %s, not %s", again.Request, c.Request)
		}
	})
	// Where changes need approval but rollbacks do not, those are direct.
	b.put("ops", "a", `1`)
	b.put("ops", "a", `2`)
	b.settings("ops", events.Settings{RequireApproval: yes()})
	b.do("POST", "/api/v1/namespaces/ops/rollback/a", `{"toVersion":1}`).is(200).changes("update ops/a 2>1")
}

func TestADryRunIsRefusedAsTheRollbackWouldBe(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `"text"`)
	b.put("pay", "a", `2`)
	schema, err := events.ParseSchema("", []byte(`{"properties":{"a":{"type":"integer"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	b.submit(events.PutSchema{Namespace: "pay", Schema: events.SchemaDoc{Schema: schema}})
	b.writesNothing(func() {
		for _, query := range []string{"", "?dry_run=true"} {
			if p := b.do("POST", rollbackPath+"/a"+query, `{"toVersion":1}`).problem(422, wire.ProblemInvalid); len(p.Errors) != 1 || p.Errors[0].Pointer != "/a" {
				t.Errorf("errors %+v", p.Errors)
			}
		}
		b.do("POST", rollbackPath+"/a?dry_run=perhaps", `{"toVersion":1}`).problem(400, wire.ProblemMalformed)
	})
}

// published makes a change by a publish request, which another approves.
func (b *bench) published(body string) (id string) {
	b.t.Helper()
	id = b.submitted(b.root, body)
	b.do("POST", requestsPath+"/"+id+"/approve", nil, by(b.key("reviewer"+id, events.Root, "admin", ""))).is(200)
	if b.node.State().Request(id).Revision > 0 {
		b.t.Fatalf("request %s is still open", id)
	}
	return id
}

func TestAPublishedRequestIsRolledBack(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	id := b.published(`{"changes":[{"namespace":"pay","key":"a","value":2},{"namespace":"ops","key":"b","value":2}]}`)
	b.put("pay", "a", `3`) // a rollback does not mind
	path := requestsPath + "/" + id + "/rollback"
	publisher, stranger := b.key("pub", "pay", "publisher", ""), b.key("stranger", "elsewhere", "admin", "")
	b.writesNothing(func() {
		b.do("POST", path+"?dry_run=true", nil).is(200).changes("update pay/a 3>1", "delete ops/b 2>")
		b.do("POST", path, `{"toIndex":3}`).problem(400, wire.ProblemMalformed)
		b.do("POST", path, nil, by(publisher)).problem(403, wire.ProblemForbidden)
		b.do("POST", path, nil, by(stranger)).problem(404, wire.ProblemNotFound)
	})
	b.do("POST", path, `{"comment":"no good"}`).is(200).changes("update pay/a 3>1", "delete ops/b 2>")
	open := b.submitted(b.root, `{"changes":[{"namespace":"pay","key":"a","value":9}]}`)
	b.do("POST", requestsPath+"/"+open+"/rollback", nil).problem(409, wire.ProblemConflict, "pending_review")
}

func TestWhatIsNoLongerKeptIsNotBroughtBack(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	first := b.node.State().Index()
	for n := 2; n < 6; n++ {
		b.put("pay", "a", fmt.Sprint(n))
	}
	b.trim(b.node.State().Index() - 1)
	b.writesNothing(func() {
		for path, body := range map[string]string{
			rollbackPath + "/a": `{"toVersion":1}`,
			rollbackPath:        fmt.Sprintf(`{"toIndex":%d}`, first),
			"/api/v1/revert":    fmt.Sprintf(`{"index":%d}`, first),
		} {
			b.do("POST", path, body).problem(410, wire.ProblemCompacted)
		}
	})
	b.do("POST", rollbackPath+"/a", `{"toVersion":4}`).is(200).changes("update pay/a 5>4")
}
