package events_test

import (
	"testing"

	"confman/events"
)

func TestPutNamespace(t *testing.T) {
	before := events.NamespaceProperties{Description: new("Payments"), Owner: "ann"}
	changed := func(description, owner string) []fact {
		return []fact{{"pay", "", events.NamespaceUpdated{
			NamespaceProperties: events.NamespaceProperties{Description: &description, Owner: owner}, Previous: before,
		}}}
	}
	at3 := []events.Guard{theNamespace("pay", 3)}
	created := func(path string, p events.NamespaceProperties) []fact {
		return []fact{{path, "", events.NamespaceCreated{NamespaceProperties: p}}}
	}
	checkRulings(t, []ruling{
		{
			name: "a new one is the actor's", command: events.PutNamespace{Path: "new", Actor: "carol"},
			facts:  created("new", events.NamespaceProperties{Owner: "carol"}),
			guards: []events.Guard{theNamespace("new", 0)},
		},
		{
			name: "a new one with everything", command: events.PutNamespace{Path: "new", Description: new("d"), Owner: new("dan"), Actor: "carol"},
			facts:  created("new", events.NamespaceProperties{Description: new("d"), Owner: "dan"}),
			guards: []events.Guard{theNamespace("new", 0)},
		},
		{
			name: "a deleted one begins afresh", command: events.PutNamespace{Path: "gone", Actor: "carol"},
			facts:  created("gone", events.NamespaceProperties{Owner: "carol"}),
			guards: []events.Guard{theNamespace("gone", 7)},
		},
		{
			name: "the description changes, the owner stays", command: events.PutNamespace{Path: "pay", Description: new("Pay"), Actor: "carol"},
			facts: changed("Pay", "ann"), guards: at3,
		},
		{
			name: "the owner changes, the description stays", command: events.PutNamespace{Path: "pay", Owner: new("bob")},
			facts: changed("Payments", "bob"), guards: at3,
		},
		{
			name: "an empty description is another one", command: events.PutNamespace{Path: "pay", Description: new("")},
			facts: changed("", "ann"), guards: at3,
		},
		{name: "nothing given changes nothing", command: events.PutNamespace{Path: "pay", Actor: "carol"}, guards: at3},
		{name: "the same given changes nothing", command: events.PutNamespace{Path: "pay", Description: new("Payments"), Owner: new("ann")}, guards: at3},
		{name: "the root", command: events.PutNamespace{Path: "/"}, refused: events.ErrInvalid, says: "namespace"},
		{name: "a reserved word", command: events.PutNamespace{Path: "a/config"}, refused: events.ErrInvalid, says: "reserved"},
		{name: "a bad description", command: events.PutNamespace{Path: "a", Description: new("\x01")}, refused: events.ErrInvalid, says: "description"},
		{name: "an empty owner", command: events.PutNamespace{Path: "a", Owner: new("")}, refused: events.ErrInvalid, says: "owner is empty"},
	})
}

func TestDeleteNamespace(t *testing.T) {
	checkRulings(t, []ruling{
		{
			name: "its live entries go first, each by itself", command: events.DeleteNamespace{Path: "pay"},
			facts: []fact{
				{"pay", "url", events.ConfigDeleted{Version: 3, Previous: was("a", 2)}},
				{"pay", "zone", events.ConfigDeleted{Version: 2, Previous: was("eu", 1)}},
				{"pay", "", events.NamespaceDeleted{Previous: events.NamespaceProperties{Description: new("Payments"), Owner: "ann"}}},
			},
			guards: []events.Guard{theNamespace("pay", 3), theContents("pay", 9), theCluster(1)},
		},
		{name: "a deleted one", command: events.DeleteNamespace{Path: "gone"}, refused: events.ErrNotFound, says: "namespace gone does not exist"},
		{name: "one that never was", command: events.DeleteNamespace{Path: "x"}, refused: events.ErrNotFound, says: "namespace x"},
		{name: "a bad path", command: events.DeleteNamespace{Path: "a/"}, refused: events.ErrInvalid, says: "empty segment"},
	})
}
