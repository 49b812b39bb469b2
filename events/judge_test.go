package events_test

import (
	"fmt"
	"testing"

	"confman/events"
)

const (
	wholePort = `{"properties":{"port":{"type":"integer"}}}`
	needsBoth = `{"required":["host","port"]}`
	atMostTwo = `{"maxProperties":2}`
)

func del(ns, key string) events.DeleteEntry { return events.DeleteEntry{Namespace: ns, Key: key} }

func TestChangesAreJudgedBySchemas(t *testing.T) {
	cut := func(ns string) func(*world) {
		return policy(ns, func(p *events.Policy) { p.Schema.Inherit, p.SchemaMark.Revision = new(false), p.Revision })
	}
	apart := func(ns string) func(*world) { return withSettings(ns, events.Settings{Inherit: new(false)}) }
	host := withEntry("pay", "host", `"h"`, 30)
	both := []events.PutEntry{put("pay", "host", `"h"`), put("pay", "port", `1`)}
	checkVerdicts(t, []verdict{
		{name: "a good value", in: governed(withSchema("pay", wholePort)), command: put("pay", "port", `1`)},
		{name: "a bad value", in: governed(withSchema("pay", wholePort)), command: put("pay", "port", `"x"`), refused: events.ErrSchema, says: "the schema does not allow it: port is a string, must be an integer"},
		{name: "a bad value in a key with a slash", in: governed(withSchema("pay", `{"properties":{"a/b":{"properties":{"n":{"type":"integer"}}}}}`)), command: put("pay", "a/b", `{"n":"x"}`), refused: events.ErrSchema, says: "a~1b/n is a string"},
		{name: "by a schema above", in: governed(withSchema("/", wholePort)), command: put("pay", "port", `"x"`), refused: events.ErrSchema},
		{name: "by all of them", in: governed(withSchema("/", wholePort), withSchema("pay", `{"properties":{"port":{"minimum":10}}}`)), command: put("pay", "port", `1`), refused: events.ErrSchema, says: "at least 10"},
		{name: "by one that is cut off", in: governed(withSchema("/", wholePort), cut("pay")), command: put("pay", "port", `"x"`)},
		{name: "by one that is cut off further up", in: governed(withSchema("/", wholePort), cut("pay")), command: put("pay/eu", "port", `"x"`)},
		{name: "by its own, which cuts off others", in: governed(withSchema("pay", wholePort), cut("pay")), command: put("pay", "port", `"x"`), refused: events.ErrSchema},
		{name: "by one below, of an inheritor", in: governed(withSchema("pay/eu", wholePort)), command: put("pay", "port", `"x"`), refused: events.ErrSchema, says: "(in namespace pay/eu)"},
		{name: "by one below, that has its own value", in: governed(withSchema("pay/eu", wholePort), withEntry("pay/eu", "port", `1`, 30)), command: put("pay", "port", `"x"`)},
		{name: "by one below, that inherits no values", in: governed(withSchema("pay/eu", wholePort), apart("pay/eu")), command: put("pay", "port", `"x"`)},
		{name: "a deletion by which an inherited value shows", in: governed(withSchema("pay/eu", wholePort), withEntry("pay", "port", `"x"`, 29), withEntry("pay/eu", "port", `1`, 30)), command: del("pay/eu", "port"), refused: events.ErrSchema, says: "port"},
		{name: "a deletion of what is needed", in: governed(host, withEntry("pay", "port", `1`, 31), withSchema("pay", needsBoth)), command: del("pay", "port"), refused: events.ErrSchema, says: "port is missing"},
		{name: "a deletion of what is needed and inherited", in: governed(host, withEntry("pay", "port", `1`, 31), withSchema("pay/eu", needsBoth)), command: del("pay", "port"), refused: events.ErrSchema, says: "(in namespace pay/eu)"},
		{name: "a deletion of what is needed and inherited, too", in: governed(host, withEntry("pay", "port", `1`, 31), withEntry("pay/eu", "port", `1`, 32), withSchema("pay/eu", needsBoth)), command: del("pay/eu", "port")},
		{name: "one of two that are needed, as there was none", in: governed(withSchema("pay", needsBoth)), command: put("pay", "host", `"h"`)},
		{name: "both in a transaction", in: governed(withSchema("pay", needsBoth)), command: events.Transact{Set: both}},
		{name: "a third of at most two, with an inherited one", in: governed(withSchema("pay/eu", `{"maxProperties":3}`), withEntry("pay/eu", "a", `1`, 30)), command: put("pay/eu", "b", `1`), refused: events.ErrSchema, says: "has 4 members"},
		{name: "the end of a namespace that is needed below", in: governed(withEntry("pay", "port", `1`, 31), withSchema("pay/eu", `{"required":["port"]}`)), command: events.DeleteNamespace{Path: "pay"}, refused: events.ErrSchema, says: "pay/eu"},
		{name: "the end of a namespace with its schema", in: governed(withEntry("pay/eu", "port", `1`, 31), withSchema("pay/eu", `{"required":["port"]}`)), command: events.DeleteNamespace{Path: "pay/eu"}},
		{name: "the end of a namespace with a schema that held below", in: governed(withEntry("pay", "port", `1`, 31), withSchema("pay", `{"required":["port"]}`)), command: events.DeleteNamespace{Path: "pay"}},
		{name: "the end of a namespace under a schema of the root", in: governed(withEntry("web", "port", `1`, 31), withSchema("/", `{"required":["port"]}`)), command: events.DeleteNamespace{Path: "web"}},
		{name: "a draft", in: governed(withSchema("pay", wholePort)), command: events.SaveDraft{Namespace: "pay", Key: "port", Content: content(`"x"`)}},
	})
}

// A schema may have been forced: what it breaks stays, and may be mended bit by
// bit, but nothing new that is broken comes in.
func TestWhatWasBrokenBeforeIsNotTheFaultOfAChange(t *testing.T) {
	bad := withEntry("pay", "port", `"x"`, 30)
	crowd := func(w *world) {
		for i := range 150 {
			withEntry("web", fmt.Sprintf("k%03d", i), `"x"`, 30)(w)
		}
	}
	numbers := withSchema("web", `{"additionalProperties":{"type":"integer"},"minProperties":1}`)
	checkVerdicts(t, []verdict{
		{name: "another key", in: governed(bad, withSchema("pay", wholePort)), command: put("pay", "url", `"b"`)},
		{name: "another key, when the whole is judged", in: governed(bad, withSchema("pay", `{"properties":{"port":{"type":"integer"}},"minProperties":1}`)), command: put("pay", "url", `"b"`)},
		{name: "the same key, as bad as before", in: governed(bad, withSchema("pay", wholePort)), command: put("pay", "port", `"y"`), refused: events.ErrSchema, says: "port"},
		{name: "the same key with another description", in: governed(bad, withSchema("pay", wholePort)), command: events.PutEntry{Namespace: "pay", Key: "port", Value: []byte(`"x"`), Description: new("d")}},
		{name: "the same key, mended", in: governed(bad, withSchema("pay", wholePort)), command: put("pay", "port", `1`)},
		{name: "the same key, deleted", in: governed(bad, withSchema("pay", wholePort)), command: del("pay", "port")},
		{name: "one less of too many", in: governed(bad, withEntry("pay", "more", `1`, 31), withSchema("pay", atMostTwo)), command: del("pay", "port")},
		{name: "one more of too many", in: governed(bad, withSchema("pay", atMostTwo)), command: put("pay", "more", `1`), refused: events.ErrSchema, says: "has 4 members"},
		{name: "one more of too few", in: governed(withSchema("pay", `{"minProperties":9}`)), command: put("pay", "more", `1`)},
		{name: "one less of too few", in: governed(withSchema("pay", `{"minProperties":9}`)), command: del("pay", "url"), refused: events.ErrSchema, says: "has 1 member"},
		{name: "one mended of more than are listed", in: governed(crowd, numbers), command: put("web", "k007", `1`)},
		{name: "one of more than are listed, as bad", in: governed(crowd, numbers), command: put("web", "k007", `"y"`), refused: events.ErrSchema, says: "k007"},
		{name: "a bad one beside more than are listed", in: governed(crowd, numbers), command: put("web", "a", `"y"`), refused: events.ErrSchema, says: "a is a string"},
	})
}

func TestFlagsOfASchema(t *testing.T) {
	fixed := withSchema("pay", `{"properties":{"url":{"x-confman-immutable":true},"zone":{"x-confman-deprecated":true},"key":{"x-confman-secret-ref":true}}}`)
	again := put("pay", "zone", `"eu"`)
	again.Description = new("it is over")
	secret := func(raw string, typ events.ValueType) events.PutEntry {
		c := put("pay", "key", raw)
		c.Type = typ
		return c
	}
	checkVerdicts(t, []verdict{
		{name: "immutable, changed", in: governed(fixed), command: put("pay", "url", `"b"`), refused: events.ErrSchema, says: "url is immutable by the schema of pay, and was set at version 2"},
		{name: "immutable, deleted", in: governed(fixed), command: del("pay", "url"), refused: events.ErrSchema, says: "immutable"},
		{name: "immutable, with its namespace", in: governed(fixed), command: events.DeleteNamespace{Path: "pay"}, refused: events.ErrSchema, says: "immutable"},
		{name: "immutable, described anew", in: governed(fixed), command: events.PutEntry{Namespace: "pay", Key: "url", Value: []byte(`"a"`), Description: new("d")}},
		{name: "immutable, set for the first time", in: governed(withSchema("web", `{"properties":{"a":{"x-confman-immutable":true}}}`)), command: put("web", "a", `1`)},
		{name: "immutable from above", in: governed(withEntry("pay/eu", "url", `1`, 30), fixed), command: put("pay/eu", "url", `2`), refused: events.ErrSchema, says: "by the schema of pay"},
		{name: "deprecated, changed", in: governed(fixed), command: put("pay", "zone", `"us"`), refused: events.ErrSchema, says: "zone is deprecated by the schema of pay"},
		{name: "deprecated, described anew", in: governed(fixed), command: again},
		{name: "deprecated, deleted", in: governed(fixed), command: del("pay", "zone")},
		{name: "deprecated, new below", in: governed(fixed), command: put("pay/eu", "zone", `"us"`), refused: events.ErrSchema, says: "deprecated"},
		{name: "a secret in the clear", in: governed(fixed), command: secret(`"hunter2"`, ""), refused: events.ErrSchema, says: "key is of type string, must be of type secret-ref"},
		{name: "a reference to a secret", in: governed(fixed), command: secret(`"vault://a#b"`, events.SecretRef)},
	})
}

// What a judgement reads is guarded, so that two changes that are right by
// themselves do not come to something wrong together.
func TestAJudgementGuardsWhatItReads(t *testing.T) {
	created := func(ns string) []fact {
		return []fact{{ns, "port", events.ConfigCreated{Value: parsed(`1`), Version: 1}}}
	}
	checkRulings(t, []ruling{
		{
			name: "key by key: the value of an inheritor that hides it", in: governed(withEntry("pay/eu", "port", `2`, 30), withSchema("pay/eu", wholePort)),
			command: put("pay", "port", `1`), facts: created("pay"),
			guards: []events.Guard{theEntry("pay", "port", 0), theNamespace("pay", 3), thePolicies(20), theEntry("pay/eu", "port", 30)},
		},
		{
			name: "key by key: an inheritor that has none", in: governed(withSchema("pay/eu", wholePort)),
			command: put("pay", "port", `1`), facts: created("pay"),
			guards: []events.Guard{theEntry("pay", "port", 0), theNamespace("pay", 3), thePolicies(20), theEntry("pay/eu", "port", 0)},
		},
		{
			name: "key by key: what shows when it is deleted", in: governed(withEntry("pay", "port", `1`, 29), withEntry("pay/eu", "port", `2`, 30), withSchema("pay/eu", wholePort)),
			command: del("pay/eu", "port"), facts: []fact{{"pay/eu", "port", events.ConfigDeleted{Version: 2, Previous: events.Version{Value: parsed(`2`), Version: 1}}}},
			guards: []events.Guard{theEntry("pay/eu", "port", 30), thePolicies(20), theEntry("pay", "port", 29)},
		},
		{
			name: "key by key: nothing but what is written", in: governed(withSchema("pay/eu", wholePort)), command: put("pay/eu", "port", `1`), facts: created("pay/eu"),
			guards: []events.Guard{theEntry("pay/eu", "port", 0), theNamespace("pay/eu", 12), thePolicies(20)},
		},
		{
			name: "as a whole: all that is inherited, and who there is", in: governed(withSchema("pay/eu", `{"minProperties":1}`)), command: put("pay/eu", "port", `1`), facts: created("pay/eu"),
			guards: []events.Guard{theEntry("pay/eu", "port", 0), theNamespace("pay/eu", 12), thePolicies(20), theNamespaces(13), theContents("pay/eu", 0), theContents("pay", 9)},
		},
		{
			name: "no schema", in: governed(), command: put("pay/eu", "port", `1`), facts: created("pay/eu"),
			guards: []events.Guard{theEntry("pay/eu", "port", 0), theNamespace("pay/eu", 12), thePolicies(0)},
		},
	})
}
