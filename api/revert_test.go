package api

import (
	"fmt"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/events"
)

func TestAChangeIsRevertedWhole(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	b.put("pay", "gone", `1`)
	b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"a","value":2},{"namespace":"ops","key":"b","value":1}],"delete":[{"namespace":"pay","key":"gone"}]}`).is(200)
	last := b.node.State().Index()
	b.put("pay", "other", `1`)
	want := []string{"update pay/a 2>1", "delete ops/b 1>", "create pay/gone >1"}
	for index := last - 3; index <= last; index++ { // the first is that of the namespace
		b.writesNothing(func() {
			b.do("POST", "/api/v1/revert?dry_run=true", wire.Revert{Index: index}).is(200).changes(want...)
		})
	}
	b.do("POST", "/api/v1/revert", wire.Revert{Index: last, Comment: "broke payments"}).is(200).changes(want...)
	if b.value("pay", "a") != "1" || b.value("ops", "b") != "" || b.value("pay", "gone") != "1" || b.value("pay", "other") != "1" {
		t.Error("not everything is as before")
	}
}

func TestARevertIsRefusedAfterLaterChanges(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	b.put("pay", "a", `2`)
	index := b.node.State().Index()
	b.put("pay", "a", `3`)
	b.writesNothing(func() {
		for _, query := range []string{"", "?dry_run=true"} {
			p := b.do("POST", "/api/v1/revert"+query, wire.Revert{Index: index}).problem(409, wire.ProblemConflict)
			if len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Detail, fmt.Sprintf("pay/a was changed by ana at event %d", index+1)) {
				t.Errorf("errors %+v", p.Errors)
			}
		}
	})
	id := b.published(`{"changes":[{"namespace":"pay","key":"a","value":4}]}`)
	b.put("pay", "a", `5`)
	b.do("POST", "/api/v1/revert", wire.Revert{Request: id}).problem(409, wire.ProblemConflict)
	b.do("POST", rollbackPath+"/a", `{"toVersion":4}`).is(200)
	b.do("POST", "/api/v1/revert", wire.Revert{Request: id}).problem(409, wire.ProblemConflict)
	again := b.published(`{"changes":[{"namespace":"pay","key":"a","value":6}]}`)
	b.do("POST", "/api/v1/revert", wire.Revert{Request: again}, "Idempotency-Key: 1").is(200).changes("update pay/a 6>4")
	b.writesNothing(func() {
		b.do("POST", "/api/v1/revert", wire.Revert{Request: again}, "Idempotency-Key: 1").is(200).changes("update pay/a 6>4")
	})
}

func TestRevertsThatCannotBe(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	b.put("secret", "hidden", `1`)
	b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"a","value":2},{"namespace":"secret","key":"hidden","value":2}]}`).is(200)
	both := b.node.State().Index()
	publisher, editor := b.key("pub", "pay", "publisher", ""), b.key("ed", events.Root, "editor", "")
	for _, test := range []struct {
		body, key string
		status    int
	}{
		{`{}`, b.root, 400},
		{`{"index":3,"request":"x"}`, b.root, 400},
		{`{"index":1}`, b.root, 400},
		{`{"index":9999}`, b.root, 404},
		{`{"request":"x"}`, b.root, 404},
		{fmt.Sprintf(`{"index":%d}`, both), publisher, 403},
		{fmt.Sprintf(`{"index":%d}`, both), editor, 403},
	} {
		b.writesNothing(func() {
			got := b.do("POST", "/api/v1/revert", test.body, by(test.key))
			if got.status != test.status {
				t.Errorf("%s: %d %s, want %d", test.body, got.status, got.body, test.status)
			}
			if test.key == publisher && strings.Contains(got.body, "hidden") {
				t.Errorf("%s tells of a key that the caller may not see", got.body)
			}
		})
	}
}
