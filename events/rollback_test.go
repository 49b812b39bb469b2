package events_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"confman/events"
)

func TestRestore(t *testing.T) {
	live := func(ns, key, value string, version uint64) events.Entry {
		return events.Entry{Namespace: ns, Key: key, Value: parsed(value), Description: "then", Tags: []string{"t"}, Version: version, Revision: 1}
	}
	restored := func(ns, key string, was events.Entry) events.Restored {
		return events.Restored{Namespace: ns, Key: key, Was: was, AsOf: 7}
	}
	restore := func(all ...events.Restored) events.Restore {
		return events.Restore{Entries: all, Comment: "back", Request: "r9", Actor: "carol", Source: events.ChangeSource{Kind: "rollback", Index: 7}}
	}
	whole := restore(restored("pay", "url", live("pay", "url", `"z"`, 1)))
	whole.Whole = []string{"pay"}
	unless := func(r events.Restored, index uint64) events.Restored {
		r.Unless = index
		return r
	}
	back := func(key, value string, version uint64, previous *events.Version) fact {
		return fact{"pay", key, events.ConfigRolledBack{
			Value: parsed(value), Version: version, Description: "then", Comment: "back", Tags: []string{"t"}, Previous: previous,
			Source: events.EntrySource{Version: 1, Index: 7},
		}}
	}
	url1, old1 := restored("pay", "url", live("pay", "url", `"z"`, 1)), restored("pay", "old", live("pay", "old", `"o"`, 1))
	none := restored("pay", "zone", events.Entry{})
	asIs := restored("pay", "url", events.Entry{Value: text("a"), Description: "where", Version: 2, Revision: 9})
	absent := restored("pay", "never", events.Entry{})
	reviewedRollback := withSettings("pay", events.Settings{RollbackRequiresApproval: new(true)})
	source := &events.ChangeSource{Kind: "rollback", Index: 7}
	checkRulings(t, []ruling{
		{
			name: "an earlier value", in: governed(), command: restore(url1), facts: []fact{back("url", `"z"`, 3, new(was("a", 2)))},
			guards: []events.Guard{thePolicies(0), theEntry("pay", "url", 9)},
		},
		{
			name: "a deleted key", in: governed(), command: restore(old1), facts: []fact{back("old", `"o"`, 5, nil)},
			guards: []events.Guard{thePolicies(0), theEntry("pay", "old", 8), theNamespace("pay", 3)},
		},
		{
			name: "to when it did not exist", in: governed(), command: restore(none),
			facts:  []fact{{"pay", "zone", events.ConfigDeleted{Version: 2, Comment: "back", Previous: was("eu", 1), Source: &events.EntrySource{Index: 7}}}},
			guards: []events.Guard{thePolicies(0), theEntry("pay", "zone", 5)},
		},
		{
			name: "what is so already", in: governed(), command: restore(asIs, absent),
			guards: []events.Guard{thePolicies(0), theEntry("pay", "url", 9), theEntry("pay", "never", 0)},
		},
		{
			name: "a whole namespace, in which zone came since", in: governed(), command: whole,
			facts: []fact{back("url", `"z"`, 3, new(was("a", 2))), {"pay", "zone", events.ConfigDeleted{
				Version: 2, Comment: "back", Previous: was("eu", 1), Source: &events.EntrySource{Index: 7},
			}}},
			guards: []events.Guard{thePolicies(0), theEntry("pay", "url", 9), theContents("pay", 9), theEntry("pay", "zone", 5)},
		},
		{
			name: "as a publish request", in: governed(reviewedRollback), command: restore(url1, none, asIs),
			facts: []fact{
				{"pay", "url", events.DraftSaved{Value: text("z"), Description: "then", Tags: []string{"t"}}},
				{"pay", "zone", events.DraftSaved{Delete: true}},
				{"pay", "", events.RequestSubmitted{Comment: "back", Source: source, Changes: []events.Change{
					{Namespace: "pay", Key: "url", Editor: "carol", Source: &events.EntrySource{Version: 1, Index: 7}},
					{Namespace: "pay", Key: "zone", Editor: "carol", Delete: true, Source: &events.EntrySource{Index: 7}},
				}}},
			},
			guards: []events.Guard{
				thePolicies(20), theEntry("pay", "url", 9), theEntry("pay", "zone", 5),
				theDraft("pay", "url", 0), theNamespace("pay", 3), theDraft("pay", "zone", 0), theRequest("r9", 0),
			},
		},
		{
			name: "what is so already needs no request", in: governed(reviewedRollback), command: restore(asIs),
			guards: []events.Guard{thePolicies(20), theEntry("pay", "url", 9)},
		},
		{
			name: "that others changed since", in: governed(), command: restore(unless(url1, 8), unless(none, 5)),
			refused: events.ErrConflict, says: "later changes touched the same keys: changes/0 pay/url was changed by  at event 9, version 2",
		},
		{
			name: "that nobody changed since", in: governed(), command: restore(unless(url1, 9)), facts: []fact{back("url", `"z"`, 3, new(was("a", 2)))},
			guards: []events.Guard{thePolicies(0), theEntry("pay", "url", 9)},
		},
		{
			name: "where approval is required for changes only", in: governed(withSettings("pay", events.Settings{RequireApproval: new(true)})), command: restore(url1),
			facts: []fact{back("url", `"z"`, 3, new(was("a", 2)))}, guards: []events.Guard{thePolicies(20), theEntry("pay", "url", 9)},
		},
		{
			name: "while frozen", in: governed(frozen("pay")), command: restore(url1),
			facts: []fact{back("url", `"z"`, 3, new(was("a", 2)))}, guards: []events.Guard{thePolicies(20), theEntry("pay", "url", 9)},
		},
		{name: "against the schema", in: governed(withSchema("pay", `{"properties":{"url":{"const":"a"}}}`)), command: restore(url1), refused: events.ErrSchema, says: "url"},
		{name: "over the quota", in: governed(withSettings("pay", events.Settings{Quota: &events.Quota{Keys: 2}})), command: restore(old1), refused: events.ErrQuota},
		{name: "as a request over a draft of somebody", in: governed(reviewedRollback, withDraft("pay", "url", `1`, "eve", 40)), command: restore(url1), refused: events.ErrConflict, says: "has a draft by eve"},
		{name: "a bad comment", in: governed(), command: events.Restore{Entries: []events.Restored{url1}, Comment: "\x00"}, refused: events.ErrInvalid, says: "comment"},
	})
}

func TestEveryLaterChangeIsNamed(t *testing.T) {
	c := events.Restore{Entries: []events.Restored{{Namespace: "pay", Key: "url", Unless: 8}, {Namespace: "pay", Key: "new", Unless: 8}, {Namespace: "pay", Key: "old", Unless: 7}}}
	var r *events.Refusal
	if err := decideIn(*governed(), c); !errors.As(err, &r) || len(r.Fields) != 2 || r.Fields[0].Pointer != "/changes/0" || r.Fields[1].Pointer != "/changes/2" {
		t.Errorf("%v", err)
	}
}

// What an entry holds makes the same entry when it is given again, whatever its
// type: a rollback by publish request and a promotion rely on it.
func TestContentMakesTheSameEntry(t *testing.T) {
	for _, v := range []events.Value{
		text("a"), text("1"), parsed(`1.50`), parsed(`true`), parsed(`{"a":"1"}`),
		{Type: events.JSON, JSON: []byte(`"a"`)},
		{Type: events.JSON, JSON: []byte(`"1"`)},
		{Type: events.JSON, JSON: []byte(`"\"q\""`)},
		{Type: events.JSON, JSON: []byte(`null`)},
		{Type: events.Binary, JSON: []byte(`"AAE="`)},
		{Type: events.SecretRef, JSON: []byte(`"vault://a"`)},
	} {
		e := events.Entry{Value: v, Description: "d", Tags: []string{"a", "b"}, Revision: 1, Version: 1}
		p, err := events.Rules{}.Decide(*governed(), events.SaveDraft{Namespace: "pay", Key: "new", Content: *e.Content(), Actor: "carol"}, events.Stamp{Time: time.Unix(1, 0)})
		if err != nil {
			t.Errorf("%s %s: %v", v.Type, v.JSON, err)
			continue
		}
		got, err := events.DecodeEvent(p.Bodies[0])
		if want := (events.DraftSaved{Value: v, Description: "d", Tags: []string{"a", "b"}}); err != nil || !reflect.DeepEqual(got.Data, want) {
			t.Errorf("%s %s becomes %+v, %v", v.Type, v.JSON, got.Data, err)
		}
	}
}
