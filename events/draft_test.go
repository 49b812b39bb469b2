package events_test

import (
	"testing"

	"confman/events"
)

func content(raw string) events.Content { return events.Content{Value: []byte(raw)} }

func TestSaveDraft(t *testing.T) {
	save := func(key, raw string) events.SaveDraft {
		return events.SaveDraft{Namespace: "pay", Key: key, Content: content(raw), Actor: "carol"}
	}
	conditional := func(c events.SaveDraft, i events.Condition) events.SaveDraft {
		c.If = i
		return c
	}
	deletion := events.SaveDraft{Namespace: "pay", Key: "url", Delete: true, Actor: "carol"}
	commented := func(c events.SaveDraft, comment string) events.SaveDraft {
		c.Content.Comment = comment
		return c
	}
	has := governed(withDraft("pay", "url", `"b"`, "ann", 40))
	locked := governed(withDraft("pay", "url", `"b"`, "ann", 40), withRequest("r1", nil, [2]string{"pay", "url"}))
	b := events.DraftSaved{Value: text("b"), Description: "where"}
	first := []events.Guard{theDraft("pay", "url", 0), theNamespace("pay", 3), thePolicies(0)}
	checkRulings(t, []ruling{
		{name: "the first", in: governed(), command: save("url", `"b"`), facts: []fact{{"pay", "url", b}}, guards: first},
		{
			name: "of a new key in a new namespace", in: governed(), command: events.SaveDraft{Namespace: "new", Key: "k", Content: content(`1`), Actor: "carol"},
			facts: []fact{
				{"new", "", events.NamespaceCreated{NamespaceProperties: events.NamespaceProperties{Owner: "carol"}}},
				{"new", "k", events.DraftSaved{Value: parsed(`1`)}},
			},
			guards: []events.Guard{theDraft("new", "k", 0), theNamespace("new", 0), thePolicies(0)},
		},
		{
			name: "with everything", in: governed(),
			command: events.SaveDraft{Namespace: "pay", Key: "url", Actor: "carol", Content: events.Content{
				Value: []byte(`"1"`), Type: events.Number, Description: new(""), Tags: &[]string{"b", "a", "b"}, Comment: "why",
			}},
			facts: []fact{{"pay", "url", events.DraftSaved{Value: parsed(`1`), Tags: []string{"a", "b"}, Comment: "why"}}}, guards: first,
		},
		{
			name: "what the schema does not allow", in: governed(withSchema("pay", `{"properties":{"url":{"type":"integer"}}}`)), command: save("url", `"b"`),
			facts: []fact{{"pay", "url", b}}, guards: []events.Guard{theDraft("pay", "url", 0), theNamespace("pay", 3), thePolicies(20)},
		},
		{
			name: "another, over one of somebody else", in: has, command: save("url", `"c"`),
			facts:  []fact{{"pay", "url", events.DraftSaved{Value: text("c"), Description: "where"}}},
			guards: []events.Guard{theDraft("pay", "url", 40), theNamespace("pay", 3), thePolicies(0)},
		},
		{
			name: "a deletion", in: governed(), command: commented(deletion, "over"),
			facts: []fact{{"pay", "url", events.DraftSaved{Delete: true, Comment: "over"}}}, guards: first,
		},
		{
			name: "the same", in: governed(withDraft("pay", "zone", `"b"`, "ann", 40)), command: save("zone", `"b"`),
			guards: []events.Guard{theDraft("pay", "zone", 40)},
		},
		{
			name: "the same with another comment", in: governed(withDraft("pay", "zone", `"b"`, "ann", 40)), command: commented(save("zone", `"b"`), "x"),
			facts:  []fact{{"pay", "zone", events.DraftSaved{Value: text("b"), Comment: "x"}}},
			guards: []events.Guard{theDraft("pay", "zone", 40), theNamespace("pay", 3), thePolicies(0)},
		},
		{name: "a deletion with a value", in: governed(), command: events.SaveDraft{Namespace: "pay", Key: "url", Delete: true, Content: content(`1`)}, refused: events.ErrInvalid, says: "value comes with delete"},
		{name: "a deletion of nothing", in: governed(), command: events.SaveDraft{Namespace: "pay", Key: "old", Delete: true}, refused: events.ErrNotFound, says: "pay/old does not exist"},
		{name: "a deletion with a bad comment", in: governed(), command: commented(deletion, "\x00"), refused: events.ErrInvalid, says: "comment"},
		{name: "under review", in: locked, command: save("url", `"c"`), refused: events.ErrLocked, says: "under review in publish request r1"},
		{name: "under review, the same", in: locked, command: save("url", `"b"`), refused: events.ErrLocked, says: "r1"},
		{name: "no value", in: governed(), command: save("url", ``), refused: events.ErrInvalid, says: "value is missing"},
		{name: "a bad key", in: governed(), command: save("a b", `1`), refused: events.ErrInvalid, says: "key"},
		{
			name: "where the caller knows it", in: has, command: conditional(save("url", `"c"`), events.Condition{Versions: []uint64{40}}),
			facts:  []fact{{"pay", "url", events.DraftSaved{Value: text("c"), Description: "where"}}},
			guards: []events.Guard{theDraft("pay", "url", 40), theNamespace("pay", 3), thePolicies(0)},
		},
		{name: "where it moved", in: has, command: conditional(save("url", `"c"`), events.Condition{Versions: []uint64{39}}), refused: events.ErrCondition, says: "the draft of pay/url is at"},
		{name: "where there must be none", in: has, command: conditional(save("url", `"c"`), events.Condition{Absent: true}), refused: events.ErrCondition, says: "the draft of pay/url"},
	})
}

func TestDiscardDraft(t *testing.T) {
	has := governed(withDraft("pay", "url", `"b"`, "ann", 40))
	discard := events.DiscardDraft{Namespace: "pay", Key: "url", Comment: "no"}
	checkRulings(t, []ruling{
		{
			name: "one that is there", in: has, command: discard, facts: []fact{{"pay", "url", events.DraftDiscarded{Comment: "no"}}},
			guards: []events.Guard{theDraft("pay", "url", 40)},
		},
		{name: "none", in: governed(), command: discard, refused: events.ErrNotFound, says: "pay/url has no draft"},
		{
			name: "under review", in: governed(withDraft("pay", "url", `"b"`, "ann", 40), withRequest("r1", nil, [2]string{"pay", "url"})),
			command: discard, refused: events.ErrLocked, says: "r1",
		},
		{name: "moved", in: has, command: events.DiscardDraft{Namespace: "pay", Key: "url", If: events.Condition{Versions: []uint64{3}}}, refused: events.ErrCondition},
		{name: "a bad comment", in: has, command: events.DiscardDraft{Namespace: "pay", Key: "url", Comment: "\x00"}, refused: events.ErrInvalid, says: "comment"},
		{name: "a bad name", in: has, command: events.DiscardDraft{Namespace: "pay"}, refused: events.ErrInvalid, says: "key"},
	})
}

func TestADeletedNamespaceTakesItsDraftsAlong(t *testing.T) {
	deletion := []fact{
		{"pay", "new", events.DraftDiscarded{}},
		{"pay", "url", events.ConfigDeleted{Version: 3, Previous: was("a", 2)}},
		{"pay", "zone", events.ConfigDeleted{Version: 2, Previous: was("eu", 1)}},
		{"pay", "", events.NamespaceDeleted{Previous: events.NamespaceProperties{Description: new("Payments"), Owner: "ann"}}},
	}
	checkRulings(t, []ruling{
		{
			name: "that nobody reviews", in: governed(withDraft("pay", "new", `"b"`, "ann", 40)), command: events.DeleteNamespace{Path: "pay"}, facts: deletion,
			guards: []events.Guard{theNamespace("pay", 3), theContents("pay", 9), theDraft("pay", "new", 40), theDraft("pay", "", 40), thePolicies(0)},
		},
		{
			name: "unless one is under review", in: governed(withDraft("pay", "new", `"b"`, "ann", 40), withRequest("r1", nil, [2]string{"pay", "new"})),
			command: events.DeleteNamespace{Path: "pay"}, refused: events.ErrLocked, says: "r1",
		},
	})
}
