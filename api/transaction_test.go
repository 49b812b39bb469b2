package api

import (
	"fmt"
	"testing"

	"confman/api/wire"
)

func TestTransactionsSayWhatBecameOfEachOperation(t *testing.T) {
	b := newBench(t)
	b.put("pay", "same", "1")
	b.put("pay", "old", "1")
	b.put("pay", "gone", "1")
	got := b.do("POST", "/api/v1/transactions", `{
		"if":[{"namespace":"pay","key":"old","version":1},{"namespace":"new","key":"k","version":0}],
		"set":[{"namespace":"new","key":"k","value":true,"description":"d"},{"namespace":"pay","key":"old","value":2},{"namespace":"pay","key":"same","value":1}],
		"delete":[{"namespace":"pay","key":"gone"}],"comment":"move"}`).is(200)
	result := decodeAs[wire.TransactionResult](got)
	want := []wire.OperationResult{
		{Namespace: "new", Key: "k", Outcome: "created", Version: 1, Index: 8},
		{Namespace: "pay", Key: "old", Outcome: "updated", Version: 2, Index: 9},
		{Namespace: "pay", Key: "same", Outcome: "unchanged", Version: 1, Index: 4},
		{Namespace: "pay", Key: "gone", Outcome: "deleted", Version: 2, Index: 10},
	}
	if len(result.Results) != len(want) || result.Index != 10 || result.Transaction == "" || result.Position != got.header.Get(wire.HeaderPosition) {
		t.Fatalf("%+v", result)
	}
	for i := range want {
		if result.Results[i] != want[i] {
			t.Errorf("operation %d: %+v, want %+v", i, result.Results[i], want[i])
		}
	}
	if e := b.node.State().Entry("new", "k"); e.Comment != "move" || e.Description != "d" {
		t.Errorf("set %+v", e)
	}
	one := decodeAs[wire.TransactionResult](b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"same","value":1}]}`).is(200))
	if one.Transaction != "" || one.Results[0].Outcome != "unchanged" {
		t.Errorf("a transaction that changes nothing: %+v", one)
	}
}

func TestTransactionsDoAllOrNothing(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")
	before := b.node.State().Index()
	p := b.do("POST", "/api/v1/transactions", `{"if":[{"namespace":"pay","key":"a","version":1},{"namespace":"pay","key":"a","version":7},{"namespace":"pay","key":"b","version":1}],
		"set":[{"namespace":"pay","key":"a","value":2}]}`).problem(409, wire.ProblemConflict)
	if len(p.Errors) != 2 || p.Errors[0].Pointer != "/if/1" || p.Errors[1].Pointer != "/if/2" {
		t.Errorf("errors %+v", p.Errors)
	}
	b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"a","value":2}],"delete":[{"namespace":"pay","key":"b"}]}`).problem(404, wire.ProblemNotFound)
	if b.node.State().Index() != before {
		t.Error("something was written")
	}
}

// Each operation needs its own right, and so does looking at a version.
func TestTransactionsNeedEveryRightTheyUse(t *testing.T) {
	b := newBench(t)
	b.put("pay", "db/a", "1")
	b.put("pay", "x", "1")
	b.put("other", "a", "1")
	editor := "X-Api-Key: " + b.key("e", "pay", "editor", "db/*")
	for body, status := range map[string]int{
		`{"set":[{"namespace":"pay","key":"db/a","value":2}]}`:                                                              200,
		`{"set":[{"namespace":"pay","key":"x","value":2}]}`:                                                                 403,
		`{"delete":[{"namespace":"pay","key":"x"}]}`:                                                                        403,
		`{"set":[{"namespace":"pay","key":"db/a","value":3}],"delete":[{"namespace":"other","key":"a"}]}`:                   403,
		`{"if":[{"namespace":"other","key":"a","version":1}],"set":[{"namespace":"pay","key":"db/a","value":4}]}`:           403,
		`{"if":[{"namespace":"pay","key":"db/b","version":0}],"set":[{"namespace":"pay","key":"db/b","value":1}]}`:          200,
		`{"if":[{"namespace":"pay","key":"x","version":1}],"set":[{"namespace":"pay","key":"db/a","value":5}],"delete":[]}`: 403,
	} {
		if got := b.do("POST", "/api/v1/transactions", body, editor); got.status != status {
			t.Errorf("%s: %d %s, want %d", body, got.status, got.body, status)
		}
	}
	viewer := "X-Api-Key: " + b.key("v", "pay", "viewer", "")
	for _, body := range []string{`{"delete":[{"namespace":"pay","key":"x"}]}`, `{"set":[{"namespace":"pay","key":"x","value":2}]}`} {
		b.do("POST", "/api/v1/transactions", body, viewer).problem(403, wire.ProblemForbidden, "editor")
	}
}

// A condition on a namespace holds while nothing directly in it changed.
func TestTransactionsDependOnNamespaces(t *testing.T) {
	b := newGoverned(t)
	set := func(index uint64, status int) {
		t.Helper()
		body := fmt.Sprintf(`{"if":[{"namespace":"pay","index":%d}],"set":[{"namespace":"pay","key":"n","value":%d}]}`, index, b.clock.Load())
		b.do("POST", "/api/v1/transactions", body).is(status)
	}
	set(5, 409)
	set(0, 200)
	now := b.node.State().Index()
	b.put("pay/eu", "a", "1")
	b.do("PUT", draftPath("pay", "d"), `{"value":1}`).is(201)
	set(now, 200)
	now = b.node.State().Index()
	b.put("pay", "a", "1")
	p := b.do("POST", "/api/v1/transactions", fmt.Sprintf(`{"if":[{"namespace":"pay","index":%d}],"set":[{"namespace":"pay","key":"n","value":1}]}`, now)).problem(409, wire.ProblemConflict)
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "/if/0" {
		t.Errorf("%+v", p.Errors)
	}
	narrow := by(b.key("narrow", "pay", "editor", "n*"))
	b.do("POST", "/api/v1/transactions", `{"if":[{"namespace":"pay","index":1}],"set":[{"namespace":"pay","key":"n","value":1}]}`, narrow).problem(403, wire.ProblemForbidden, "viewer")
}
