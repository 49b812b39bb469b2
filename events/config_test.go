package events_test

import (
	"errors"
	"strings"
	"testing"

	"confman/events"
)

func put(ns, key, raw string) events.PutEntry {
	return events.PutEntry{Namespace: ns, Key: key, Value: []byte(raw), Actor: "carol"}
}

func putURL(change func(*events.PutEntry)) events.PutEntry {
	p := put("pay", "url", `"b"`)
	change(&p)
	return p
}

func TestPutEntry(t *testing.T) {
	updated := func(v events.Value, description, comment string) []fact {
		return []fact{{"pay", "url", events.ConfigUpdated{Value: v, Version: 3, Description: description, Comment: comment, Previous: was("a", 2)}}}
	}
	unchanged := []events.Guard{theEntry("pay", "url", 9)}
	at9 := append(unchanged, theCluster(1))
	checkRulings(t, []ruling{
		{
			name: "a new key", command: put("pay", "new", `"a"`),
			facts:  []fact{{"pay", "new", events.ConfigCreated{Value: text("a"), Version: 1}}},
			guards: []events.Guard{theEntry("pay", "new", 0), theNamespace("pay", 3), theCluster(1)},
		},
		{
			name: "a deleted key goes on counting and forgets its description", command: put("pay", "old", `"a"`),
			facts:  []fact{{"pay", "old", events.ConfigCreated{Value: text("a"), Version: 5}}},
			guards: []events.Guard{theEntry("pay", "old", 8), theNamespace("pay", 3), theCluster(1)},
		},
		{
			name: "a new namespace comes into being, owned by the actor", command: put("new/ns", "k", `1`),
			facts: []fact{
				{"new/ns", "", events.NamespaceCreated{NamespaceProperties: events.NamespaceProperties{Owner: "carol"}}},
				{"new/ns", "k", events.ConfigCreated{Value: events.Value{Type: events.Number, JSON: []byte("1")}, Version: 1}},
			},
			guards: []events.Guard{theEntry("new/ns", "k", 0), theNamespace("new/ns", 0), theCluster(1)},
		},
		{
			name: "a deleted namespace comes into being again", command: put("gone", "key", `"a"`),
			facts: []fact{
				{"gone", "", events.NamespaceCreated{NamespaceProperties: events.NamespaceProperties{Owner: "carol"}}},
				{"gone", "key", events.ConfigCreated{Value: text("a"), Version: 4}},
			},
			guards: []events.Guard{theEntry("gone", "key", 6), theNamespace("gone", 7), theCluster(1)},
		},
		{
			name: "another value keeps the description", command: put("pay", "url", `"b"`),
			facts: updated(text("b"), "where", ""), guards: at9,
		},
		{
			name:    "another type is another value",
			command: putURL(func(p *events.PutEntry) { p.Value, p.Type = []byte(`"\"a\""`), events.JSON }),
			facts:   updated(events.Value{Type: events.JSON, JSON: []byte(`"a"`)}, "where", ""), guards: at9,
		},
		{
			name:    "another description",
			command: putURL(func(p *events.PutEntry) { p.Value, p.Description, p.Comment = []byte(`"a"`), new("there"), "moved" }),
			facts:   updated(text("a"), "there", "moved"), guards: at9,
		},
		{
			name:    "the description taken away",
			command: putURL(func(p *events.PutEntry) { p.Value, p.Description = []byte(`"a"`), new("") }),
			facts:   updated(text("a"), "", ""), guards: at9,
		},
		{name: "the value it has, spelt otherwise, changes nothing", command: put("pay", "url", ` "\u0061" `), guards: unchanged},
		{
			name:    "a comment alone changes nothing",
			command: putURL(func(p *events.PutEntry) { p.Value, p.Comment = []byte(`"a"`), "again" }), guards: unchanged,
		},
		{name: "a bad namespace", command: put("a//b", "k", `1`), refused: events.ErrInvalid, says: "namespace"},
		{name: "the root holds no entries", command: put("/", "k", `1`), refused: events.ErrInvalid, says: "namespace"},
		{name: "a bad key", command: put("pay", "a b", `1`), refused: events.ErrInvalid, says: "key"},
		{name: "no value", command: put("pay", "k", ``), refused: events.ErrInvalid, says: "missing"},
		{name: "a bad comment", command: putURL(func(p *events.PutEntry) { p.Comment = "\x00" }), refused: events.ErrInvalid, says: "comment"},
		{
			name: "a long description", command: putURL(func(p *events.PutEntry) { p.Description = new(strings.Repeat("x", 4097)) }),
			refused: events.ErrInvalid, says: "description has 4097 bytes",
		},
		{
			name: "a condition that does not hold", command: putURL(func(p *events.PutEntry) { p.If.Versions = []uint64{1} }),
			refused: events.ErrCondition, says: "pay/url is at version 2",
		},
		{
			name: "a bad form is said before a condition", command: putURL(func(p *events.PutEntry) { p.Key, p.If.Exists = "/", true }),
			refused: events.ErrInvalid, says: "key",
		},
	})
}

func TestDeleteEntry(t *testing.T) {
	checkRulings(t, []ruling{
		{
			name: "a live one", command: events.DeleteEntry{Namespace: "pay", Key: "url", Comment: "over", If: events.Condition{Versions: []uint64{2}}},
			facts:  []fact{{"pay", "url", events.ConfigDeleted{Version: 3, Comment: "over", Previous: was("a", 2)}}},
			guards: []events.Guard{theEntry("pay", "url", 9), theCluster(1)},
		},
		{name: "a deleted one", command: events.DeleteEntry{Namespace: "pay", Key: "old"}, refused: events.ErrNotFound, says: "pay/old does not exist"},
		{name: "one that never was", command: events.DeleteEntry{Namespace: "x", Key: "y"}, refused: events.ErrNotFound, says: "x/y does not exist"},
		{
			name: "a missing one under a condition", command: events.DeleteEntry{Namespace: "x", Key: "y", If: events.Condition{Exists: true}},
			refused: events.ErrCondition, says: "x/y does not exist",
		},
		{
			name: "another version", command: events.DeleteEntry{Namespace: "pay", Key: "url", If: events.Condition{Versions: []uint64{3}}},
			refused: events.ErrCondition, says: "is at version 2",
		},
		{name: "a bad name", command: events.DeleteEntry{Namespace: "pay"}, refused: events.ErrInvalid, says: "key is empty"},
		{name: "a bad comment", command: events.DeleteEntry{Namespace: "pay", Key: "url", Comment: "\xff"}, refused: events.ErrInvalid, says: "UTF-8"},
	})
}

func TestConditions(t *testing.T) {
	const live, deleted, never = "url", "old", "none" // versions 2, 4 and none
	for _, tt := range []struct {
		name  string
		cond  events.Condition
		holds []string
	}{
		{"none", events.Condition{}, []string{live, deleted, never}},
		{"If-Match: *", events.Condition{Exists: true}, []string{live}},
		{`If-Match: "v2"`, events.Condition{Versions: []uint64{2}}, []string{live}},
		{`If-Match: "v1", "v2"`, events.Condition{Versions: []uint64{1, 2}}, []string{live}},
		{`If-Match: "v4", the version of a deletion`, events.Condition{Versions: []uint64{4}}, nil},
		{`If-Match: "v0"`, events.Condition{Versions: []uint64{0}}, nil},
		{"If-Match: only tags of others", events.Condition{Versions: []uint64{}}, nil},
		{"If-None-Match: *", events.Condition{Absent: true}, []string{deleted, never}},
		{`If-None-Match: "v2"`, events.Condition{Not: []uint64{2}}, []string{deleted, never}},
		{`If-None-Match: "v1", "v4"`, events.Condition{Not: []uint64{1, 4}}, []string{live, deleted, never}},
		{"both, contradicting", events.Condition{Exists: true, Absent: true}, nil},
	} {
		for _, key := range []string{live, deleted, never} {
			command := put("pay", key, `"b"`)
			command.If = tt.cond
			_, err := events.Rules{}.Decide(testWorld(), command, testStamp())
			want := strings.Contains(strings.Join(tt.holds, " "), key)
			if want && err != nil || !want && !errors.Is(err, events.ErrCondition) {
				t.Errorf("%s on %s: %v, want it to hold: %v", tt.name, key, err, want)
			}
		}
	}
}
