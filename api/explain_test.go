package api

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"confman/api/wire"
)

func (b *bench) explained(namespace, key, query string, headers ...string) wire.Explanation {
	b.t.Helper()
	return decodeAs[wire.Explanation](b.do("GET", namespacesPath+namespace+"/explain/"+key+query, nil, headers...).is(200))
}

// scope is where was looked in short: "pay/eu:gone2 pay:found1 …".
func scope(e wire.Explanation) string {
	var steps []string
	for _, s := range e.Scope {
		text := s.Namespace + ":"
		switch {
		case s.Shadowed:
			text += "shadowed"
		case s.Found:
			text += "found"
		case s.Version > 0:
			text += "gone"
		}
		if s.Version > 0 {
			text += strconv.FormatUint(s.Version, 10)
		}
		if s.Ends {
			text += "."
		}
		steps = append(steps, text)
	}
	return strings.Join(steps, " ")
}

// A published value is explained by all that made it so, now and later.
func TestAPublishedValueIsExplained(t *testing.T) {
	d := newDesk(t)
	d.do("PUT", policyPath("pay", "schema"), `{"schema":{"title":"pay"}}`).is(200)
	schema := d.node.State().Index()
	d.do("PUT", policyPath("pay", "settings"), `{"minApprovers":2}`).is(200)
	id := d.ask(threeChanges)
	d.say(id, "approve", "fine", d.rita).is(200)
	d.say(id, "approve", "", d.rolf).is(200)
	published := d.node.State().Index()
	d.do("PUT", policyPath("pay", "settings"), `{"minApprovers":1}`).is(200)

	e := d.explained("pay", "a", "", d.sam)
	if e.Entry == nil || string(e.Entry.Value) != `{"host":"x","port":2}` || e.Entry.From != "pay" || e.Versions != 2 || scope(e) != "pay:found2." {
		t.Errorf("%+v, scope %s", e.Entry, scope(e))
	}
	if e.Event == nil || e.Event.Action != "config.updated" || e.Event.Request != id || len(e.Transaction) != 4 {
		t.Errorf("event %+v of %+v", e.Event, e.Transaction)
	}
	if r := e.Request; r == nil || r.ID != id || r.State != wire.RequestPublished || r.Comment != "why" || r.SubmittedBy != "sam" || len(r.Reviews) != 2 || r.Reviews[0].Comment != "fine" {
		t.Errorf("request %+v", r)
	}
	if e.Author != "sam" || strings.Join(e.ApprovedBy, " ") != "rita rolf" {
		t.Errorf("by %s, approved by %v", e.Author, e.ApprovedBy)
	}
	if len(e.Schemas) != 1 || e.Schemas[0].Index != schema || e.Schemas[0].By != "ana" || e.Settings == nil || *e.Settings.MinApprovers != 1 {
		t.Errorf("schemas %+v, settings %+v", e.Schemas, e.Settings)
	}
	then := d.explained("pay", "a", fmt.Sprintf("?at=%d", published), d.sam)
	if *then.Settings.MinApprovers != 2 || then.Event.Index != e.Event.Index {
		t.Errorf("as of then: %+v", then)
	}
	middle := d.explained("pay", "a", fmt.Sprintf("?at=%d", e.Event.Index), d.sam) // of the transaction
	if middle.Position != then.Position || middle.Request == nil {
		t.Errorf("%s, %+v", middle.Position, middle.Request)
	}
	if e := d.explained("pay", "b", "", d.sam); e.Entry != nil || scope(e) != "pay:gone2." || e.Event == nil || e.Event.Action != "config.deleted" || e.Request == nil || e.Versions != 2 {
		t.Errorf("the deleted one: %s %+v", scope(e), e)
	}

	// A viewer learns who was involved, and nothing of the review.
	viewer := by(d.key("vera", "pay", "viewer", "a"))
	if e := d.explained("pay", "a", "", viewer); e.Request != nil || e.Author != "sam" || len(e.Transaction) != 0 || e.Event == nil {
		t.Errorf("a viewer of the key: %+v", e)
	}
	d.put("pay", "a", `"later"`)
	d.trim(d.node.State().Index() + 1)
	if e := d.explained("pay", "a", "", d.sam); e.Entry == nil || e.Event != nil || e.Versions != 3 {
		t.Errorf("after a trim: %+v", e)
	}
}

func TestWhereAValueWasLookedFor(t *testing.T) {
	b := newGoverned(t)
	for _, n := range []string{"a", "a/b", "a/b/c", "z", "z/y", "z/y/x"} {
		b.do("PUT", namespacesPath+n, `{}`)
	}
	b.put("a", "k", "1")
	b.put("a/b", "k", "2")
	b.put("a/b/c", "k", "3")
	full := b.node.State().Index()
	b.do("DELETE", entryPath("a/b/c", "k"), nil).is(204)
	b.do("PUT", policyPath("z/y", "settings"), `{"inherit":false}`).is(200)
	b.put("z", "k", "1")
	b.put("z/y", "gone", "1")
	b.do("DELETE", entryPath("z/y", "gone"), nil).is(204)
	viewer := by(b.key("v", "a/b/c", "viewer", ""))
	for _, test := range []struct{ namespace, key, query, scope, value string }{
		{"a/b/c", "k", "", "a/b/c:gone2 a/b:found1 a:shadowed1.", "2"},
		{"a/b/c", "k", "?resolve=true", "a/b/c:gone2 a/b:found1 a:shadowed1.", "2"},
		{"a/b/c", "k", "?resolve=false", "a/b/c:gone2.", ""},
		{"a/b/c", "k", fmt.Sprintf("?at=%d", full), "a/b/c:found1 a/b:shadowed1 a:shadowed1.", "3"},
		{"a", "k", "", "a:found1.", "1"},
		{"z/y/x", "gone", "", "z/y/x: z/y:gone2.", ""},
	} {
		e := b.explained(test.namespace, test.key, test.query)
		value := ""
		if e.Entry != nil {
			value = string(e.Entry.Value)
		}
		if scope(e) != test.scope || value != test.value || e.Event == nil || e.Namespace != test.namespace {
			t.Errorf("%s/%s%s: %s = %s, want %s = %s", test.namespace, test.key, test.query, scope(e), value, test.scope, test.value)
		}
	}
	b.do("GET", namespacesPath+"z/y/x/explain/k", nil).problem(404, wire.ProblemNotFound, "k was not there", "z/y/x, z/y")
	b.do("GET", namespacesPath+"a/explain/k?at=1", nil).problem(404, wire.ProblemNotFound, "up to event 2") // the end of its transaction
	b.do("GET", namespacesPath+"a/b/c/explain/k", nil, viewer).problem(403, wire.ProblemForbidden, "a/b")   // as a read that resolves
	if e := b.explained("a/b/c", "k", "?resolve=false", viewer); scope(e) != "a/b/c:gone2." {
		t.Errorf("%s", scope(e))
	}
	if e := b.explained("a/b/c", "k", fmt.Sprintf("?at=%d", full), viewer); scope(e) != "a/b/c:found1" || string(e.Entry.Value) != "3" {
		t.Errorf("of what is above a viewer of the namespace hears %s", scope(e))
	}
}

func TestARollbackIsExplainedByItsSource(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", "1")
	first := b.node.State().Entry("pay", "a").Revision
	b.put("pay", "a", "2")
	b.do("POST", namespacesPath+"pay/rollback/a", `{"toVersion":1}`).is(200)
	if e := b.explained("pay", "a", ""); e.Source == nil || e.Source.Version != 1 || e.Event.Action != "config.rolled-back" || e.Source.Index < first {
		t.Errorf("%+v %+v", e.Source, e.Event)
	}
}

// Who watches is told as far as the caller may list watches.
func TestWatchersAreForWhoMayListThem(t *testing.T) {
	b := newWatchBench(t)
	b.put("pay", "a", "1")
	admin, viewer := by(b.key("pat", "pay", "admin", "")), by(b.key("vera", "pay", "viewer", ""))
	for _, query := range []string{"?namespace=pay", "?namespace=pay&key=b", "?namespace=pay&events=namespace", ""} {
		b.watch(query, viewer).next(wire.FrameResumed)
	}
	for who, want := range map[string]int{"X-Api-Key: " + b.root: 2, admin: 1, viewer: 0} {
		e := b.explained("pay", "a", "", who)
		if e.WatcherCount != want || len(e.Watchers) != want || want > 0 && e.Watchers[0].Principal != "vera" {
			t.Errorf("%d watchers, want %d: %+v", e.WatcherCount, want, e.Watchers)
		}
	}
}

// The entry of an explanation is the one that a read shows.
func TestAnExplanationShowsTheEntryAsARead(t *testing.T) {
	b := newGoverned(t)
	b.do("PUT", entryPath("pay", "a"), `{"value":{"b":[1,"<>"]},"description":"d","tags":["t"],"comment":"c"}`).is(201)
	read := decodeAs[wire.ConfigEntry](b.do("GET", entryPath("pay", "a")+"?resolve=true", nil))
	want, _ := json.Marshal(read)
	if got, _ := json.Marshal(b.explained("pay", "a", "").Entry); string(got) != string(want) {
		t.Errorf("%s, read %s", got, want)
	}
}
