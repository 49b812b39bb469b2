package events_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"confman/events"
)

func TestTransact(t *testing.T) {
	del := func(ns, key string) events.DeleteEntry { return events.DeleteEntry{Namespace: ns, Key: key} }
	is := func(key string, version uint64) events.VersionIs {
		return events.VersionIs{Namespace: "pay", Key: key, Version: version}
	}
	conditional := put("pay", "url", `"b"`)
	conditional.If.Absent = true
	checkRulings(t, []ruling{
		{name: "all of it", command: events.Transact{
			If:     []events.VersionIs{is("zone", 1), is("old", 0), is("never", 0)},
			Set:    []events.PutEntry{put("pay", "url", `"b"`), put("new", "a", `"x"`), put("new", "b", `"y"`)},
			Delete: []events.DeleteEntry{del("pay", "zone")},
		}, facts: []fact{
			{"pay", "url", events.ConfigUpdated{Value: text("b"), Version: 3, Description: "where", Previous: was("a", 2)}},
			{"new", "", events.NamespaceCreated{NamespaceProperties: events.NamespaceProperties{Owner: "carol"}}},
			{"new", "a", events.ConfigCreated{Value: text("x"), Version: 1}},
			{"new", "b", events.ConfigCreated{Value: text("y"), Version: 1}},
			{"pay", "zone", events.ConfigDeleted{Version: 2, Previous: was("eu", 1)}},
		}, guards: []events.Guard{
			theEntry("pay", "zone", 5), theEntry("pay", "old", 8), theEntry("pay", "never", 0),
			theEntry("pay", "url", 9), theEntry("new", "a", 0), theNamespace("new", 0), theEntry("new", "b", 0),
			theCluster(1),
		}},
		{name: "nothing to change is still guarded", command: events.Transact{
			If: []events.VersionIs{is("zone", 1)}, Set: []events.PutEntry{put("pay", "url", `"a"`)},
		}, guards: []events.Guard{theEntry("pay", "zone", 5), theEntry("pay", "url", 9)}},
		{name: "no operations", command: events.Transact{If: []events.VersionIs{is("zone", 1)}}, refused: events.ErrInvalid, says: "set is empty"},
		{
			name: "a key set twice", command: events.Transact{Set: []events.PutEntry{put("pay", "a", `1`), put("pay", "a", `2`)}},
			refused: events.ErrInvalid, says: "set/1 changes pay/a",
		},
		{
			name: "a key set and deleted", command: events.Transact{Set: []events.PutEntry{put("pay", "url", `1`)}, Delete: []events.DeleteEntry{del("pay", "url")}},
			refused: events.ErrInvalid, says: "delete/0 changes pay/url",
		},
		{
			name: "a bad value", command: events.Transact{Set: []events.PutEntry{put("pay", "a", `1`), put("pay", "b", `null`)}},
			refused: events.ErrInvalid, says: "set/1/value is null",
		},
		{
			name: "a bad name in a condition", command: events.Transact{If: []events.VersionIs{is("", 1)}, Set: []events.PutEntry{put("pay", "a", `1`)}},
			refused: events.ErrInvalid, says: "if/0/key is empty",
		},
		{
			name: "an operation's own condition", command: events.Transact{Set: []events.PutEntry{put("pay", "a", `1`), conditional}},
			refused: events.ErrCondition, says: "pay/url is at version 2",
		},
		{
			name: "a deletion of nothing", command: events.Transact{Set: []events.PutEntry{put("pay", "a", `1`)}, Delete: []events.DeleteEntry{del("pay", "old")}},
			refused: events.ErrNotFound, says: "pay/old does not exist",
		},
		{
			name: "the version of a deletion is not the present", command: events.Transact{If: []events.VersionIs{is("old", 4)}, Set: []events.PutEntry{put("pay", "a", `1`)}},
			refused: events.ErrConflict, says: "pay/old is at version 0, not 4",
		},
	})
}

// pay last changed at event 9, by an entry; gone at 7, by its end.
func TestATransactionMayAskThatNothingHappenedInANamespace(t *testing.T) {
	on := func(ns string, index uint64) events.Transact {
		return events.Transact{If: []events.VersionIs{{Namespace: ns, Index: index}}, Set: []events.PutEntry{put("web", "a", `1`)}}
	}
	created := []fact{
		{"web", "", events.NamespaceCreated{NamespaceProperties: events.NamespaceProperties{Owner: "carol"}}},
		{"web", "a", events.ConfigCreated{Value: parsed(`1`), Version: 1}},
	}
	guards := func(ns string, revision, contents uint64) []events.Guard {
		return []events.Guard{theNamespace(ns, revision), theContents(ns, contents), theEntry("web", "a", 0), theNamespace("web", 0), theCluster(1)}
	}
	versioned := on("pay", 0)
	versioned.If[0].Version = 2
	checkRulings(t, []ruling{
		{name: "as is", command: on("pay", 9), facts: created, guards: guards("pay", 3, 9)},
		{name: "ended", command: on("gone", 7), facts: created, guards: guards("gone", 7, 6)},
		{name: "never there", command: on("never", 0), facts: created, guards: guards("never", 0, 0)},
		{name: "moved on", command: on("pay", 8), refused: events.ErrConflict, says: "if/0 namespace pay last changed at event 9, not 8"},
		{name: "not there", command: on("never", 3), refused: events.ErrConflict, says: "namespace never last changed at event 0, not 3"},
		{name: "with a version", command: versioned, refused: events.ErrInvalid, says: "if/0/key is empty"},
		{name: "a bad name", command: on("a//b", 1), refused: events.ErrInvalid, says: "if/0/namespace"},
	})
}

func TestAllFailedConditionsOfATransactionAreNamed(t *testing.T) {
	err := decideIn(testWorld(), events.Transact{
		If: []events.VersionIs{
			{Namespace: "pay", Key: "url", Version: 1}, {Namespace: "pay", Key: "zone", Version: 1}, {Namespace: "x", Key: "y", Version: 7},
		},
		Set: []events.PutEntry{put("pay", "a", `1`)},
	})
	var r *events.Refusal
	if !errors.As(err, &r) || r.Kind != events.ErrConflict {
		t.Fatalf("error %v, want ErrConflict", err)
	}
	want := []events.Field{
		{Pointer: "/if/0", Detail: "pay/url is at version 2, not 1"},
		{Pointer: "/if/2", Detail: "x/y is at version 0, not 7"},
	}
	if !reflect.DeepEqual(r.Fields, want) {
		t.Errorf("fields %+v, want %+v", r.Fields, want)
	}
}

func TestATransactionHas128ConditionsAndOperations(t *testing.T) {
	var c events.Transact
	c.If = []events.VersionIs{{Namespace: "pay", Key: "url", Version: 2}}
	c.Delete = []events.DeleteEntry{{Namespace: "pay", Key: "url"}}
	for i := range 126 {
		c.Set = append(c.Set, put("pay", fmt.Sprint("k", i), `1`))
	}
	if err := decideIn(testWorld(), c); err != nil {
		t.Errorf("128: %v", err)
	}
	c.Set = append(c.Set, put("pay", "one-more", `1`))
	if err := decideIn(testWorld(), c); !errors.Is(err, events.ErrTooLarge) {
		t.Errorf("129: %v, want ErrTooLarge", err)
	}
}

func decideIn(w world, c events.Command) error {
	_, err := events.Rules{}.Decide(w, c, testStamp())
	return err
}
