package events_test

import (
	"strings"
	"testing"
	"time"

	"confman/events"
)

func TestPutRoles(t *testing.T) {
	bob := events.Roles{Grants: []events.RoleGrant{{Role: events.Publisher, Principal: "bob"}}}
	put := func(ns string, r events.Roles) events.PutRoles {
		return events.PutRoles{Namespace: ns, Roles: r, Actor: "carol"}
	}
	grant := func(g events.RoleGrant) events.PutRoles {
		return put("pay", events.Roles{Grants: []events.RoleGrant{g}})
	}
	conditional := func(revision uint64) events.PutRoles {
		c := put("pay", events.Roles{})
		c.If.Versions = []uint64{revision}
		return c
	}
	given := governed(withRoles("pay", bob.Grants...))
	checkRulings(t, []ruling{
		{
			name: "the first", in: governed(), command: put("pay", bob), facts: []fact{{"pay", "", events.RolesChanged{Roles: bob}}},
			guards: []events.Guard{thePolicies(0), theNamespace("pay", 3)},
		},
		{
			name: "others", in: given, command: put("pay", events.Roles{Inherit: new(false)}),
			facts:  []fact{{"pay", "", events.RolesChanged{Roles: events.Roles{Inherit: new(false)}, Previous: bob}}},
			guards: []events.Guard{thePolicies(20), theNamespace("pay", 3)},
		},
		{name: "the same", in: given, command: put("pay", bob), guards: []events.Guard{thePolicies(20), theNamespace("pay", 3)}},
		{
			name: "of the root", in: given, command: put("/", bob), facts: []fact{{"/", "", events.RolesChanged{Roles: bob}}},
			guards: []events.Guard{thePolicies(20)},
		},
		{
			name: "of a namespace that comes into being", in: given, command: put("new", bob),
			facts: []fact{
				{"new", "", events.NamespaceCreated{NamespaceProperties: events.NamespaceProperties{Owner: "carol"}}},
				{"new", "", events.RolesChanged{Roles: bob}},
			},
			guards: []events.Guard{thePolicies(20), theNamespace("new", 0)},
		},
		{
			name: "where the caller knows them", in: given, command: conditional(20), facts: []fact{{"pay", "", events.RolesChanged{Previous: bob}}},
			guards: []events.Guard{thePolicies(20), theNamespace("pay", 3)},
		},
		{name: "where they moved", in: given, command: conditional(19), refused: events.ErrCondition, says: "of pay is at revision 20"},
		{name: "where there are none", in: governed(), command: conditional(20), refused: events.ErrCondition, says: "does not exist"},
		{name: "a bad namespace", in: given, command: put("a//b", bob), refused: events.ErrInvalid, says: "namespace"},
		{name: "for nobody", in: given, command: grant(events.RoleGrant{Role: events.Viewer}), refused: events.ErrInvalid, says: "grants/0 names nobody"},
		{name: "for two", in: given, command: grant(events.RoleGrant{Role: events.Viewer, Principal: "a", Group: "b"}), refused: events.ErrInvalid, says: "grants/0 names both"},
		{name: "for the cluster", in: given, command: grant(events.RoleGrant{Role: events.Viewer, Principal: "system"}), refused: events.ErrInvalid, says: "the cluster itself"},
		{name: "a bad principal", in: given, command: grant(events.RoleGrant{Role: events.Viewer, Principal: "a\nb"}), refused: events.ErrInvalid, says: "grants/0/principal"},
		{name: "a bad group", in: given, command: grant(events.RoleGrant{Role: events.Viewer, Group: "a\tb"}), refused: events.ErrInvalid, says: "grants/0/group"},
		{name: "no role", in: given, command: grant(events.RoleGrant{Principal: "a"}), refused: events.ErrInvalid, says: "grants/0/role"},
		{name: "bad keys", in: given, command: grant(events.RoleGrant{Role: events.Viewer, Group: "a", Keys: "a//*"}), refused: events.ErrInvalid, says: "grants/0/keys"},
		{
			name: "too many", in: given, command: put("pay", events.Roles{Grants: make([]events.RoleGrant, 1025)}),
			refused: events.ErrInvalid, says: "has 1025 grants",
		},
	})
}

func TestPutSchema(t *testing.T) {
	whole := schema(`{"properties":{"port":{"type":"integer"}}}`)
	put := func(ns string, s *events.Schema, change func(*events.PutSchema)) events.PutSchema {
		c := events.PutSchema{Namespace: ns, Schema: events.SchemaDoc{Schema: s}, Actor: "carol"}
		if change != nil {
			change(&c)
		}
		return c
	}
	changed := func(s *events.Schema, before events.SchemaDoc, forced bool) []fact {
		return []fact{{"pay", "", events.SchemaChanged{SchemaDoc: events.SchemaDoc{Schema: s}, Previous: before, Forced: forced}}}
	}
	before := events.SchemaDoc{Schema: schema(`true`)}
	had := governed(withSchema("pay", `true`))
	broken := governed(withEntry("pay/eu", "port", `"x"`, 30))
	all := []events.Guard{thePolicies(0), theNamespace("pay", 3), theNamespaces(13), theContents("pay", 9), theContents("pay/eu", 30)}
	force := func(c *events.PutSchema) { c.Force = true }
	checkRulings(t, []ruling{
		{
			name: "that live values please", in: governed(), command: put("pay", whole, nil), facts: changed(whole, events.SchemaDoc{}, false),
			guards: []events.Guard{thePolicies(0), theNamespace("pay", 3), theNamespaces(13), theContents("pay", 9), theContents("pay/eu", 0)},
		},
		{
			name: "that a value below breaks", in: broken, command: put("pay", whole, nil),
			refused: events.ErrSchema, says: `live values break the schema; change them first, or force it: port`,
		},
		{name: "forced", in: broken, command: put("pay", whole, force), facts: changed(whole, events.SchemaDoc{}, true), guards: all},
		{
			name: "forced without need", in: governed(), command: put("pay", whole, force), facts: changed(whole, events.SchemaDoc{}, false),
			guards: []events.Guard{thePolicies(0), theNamespace("pay", 3), theNamespaces(13), theContents("pay", 9), theContents("pay/eu", 0)},
		},
		{name: "the same", in: had, command: put("pay", schema(`true`), nil), guards: []events.Guard{thePolicies(20), theNamespace("pay", 3)}},
		{
			name: "none any more", in: had, command: put("pay", nil, nil), facts: changed(nil, before, false),
			guards: []events.Guard{thePolicies(20), theNamespace("pay", 3)},
		},
		{
			name: "moved", in: had, command: put("pay", nil, func(c *events.PutSchema) { c.If.Versions = []uint64{19} }),
			refused: events.ErrCondition, says: "the schema of pay is at revision 20",
		},
		{name: "a bad comment", in: had, command: put("pay", nil, func(c *events.PutSchema) { c.Comment = "\x00" }), refused: events.ErrInvalid, says: "comment"},
		{name: "a bad namespace", in: had, command: put("", nil, nil), refused: events.ErrInvalid, says: "namespace"},
	})
}

// What is cut off is not judged; what is joined again is.
func TestASchemaIsJudgedWhereItReaches(t *testing.T) {
	const whole = `{"properties":{"port":{"type":"integer"}}}`
	cut := func(ns string) func(*world) {
		return policy(ns, func(p *events.Policy) { p.Schema.Inherit, p.SchemaMark.Revision = new(false), p.Revision })
	}
	put := func(ns string, doc events.SchemaDoc) events.PutSchema {
		return events.PutSchema{Namespace: ns, Schema: doc, Actor: "carol"}
	}
	bad := withEntry("pay/eu", "port", `"x"`, 30)
	deeper := func(w *world) {
		w.namespaces["pay/eu/de"] = events.Namespace{Path: "pay/eu/de", Created: 14, Revision: 14}
	}
	checkVerdicts(t, []verdict{
		{name: "of the root, on all below", in: governed(bad), command: put("/", events.SchemaDoc{Schema: schema(whole)}), refused: events.ErrSchema, says: "(in namespace pay/eu)"},
		{name: "beyond a cut", in: governed(bad, cut("pay/eu")), command: put("pay", events.SchemaDoc{Schema: schema(whole)})},
		{name: "of one that itself cuts", in: governed(bad, cut("pay/eu")), command: put("pay/eu", events.SchemaDoc{Inherit: new(false), Schema: schema(whole)}), refused: events.ErrSchema},
		{name: "an inherited value", in: governed(withEntry("pay", "port", `"x"`, 30)), command: put("pay/eu", events.SchemaDoc{Schema: schema(whole)}), refused: events.ErrSchema, says: "(in namespace pay/eu)"},
		{
			name: "an inherited value that is cut off", in: governed(withEntry("pay", "port", `"x"`, 30), withSettings("pay/eu", events.Settings{Inherit: new(false)})),
			command: put("pay/eu", events.SchemaDoc{Schema: schema(whole)}),
		},
		{name: "an inherited value, before the namespace is there", in: governed(withEntry("pay", "port", `"x"`, 30)), command: put("pay/us", events.SchemaDoc{Schema: schema(whole)}), refused: events.ErrSchema, says: "(in namespace pay/us)"},
		{name: "where there are no values yet", in: governed(), command: put("web", events.SchemaDoc{Schema: schema(`{"required":["port"]}`)})},
		{name: "where there is no namespace yet", in: governed(), command: put("new", events.SchemaDoc{Schema: schema(`{"required":["port"]}`)})},
		{name: "where some values are", in: governed(), command: put("pay", events.SchemaDoc{Schema: schema(`{"required":["port"]}`)}), refused: events.ErrSchema, says: "port is missing"},
		{name: "that holds again because nothing cuts it off any more", in: governed(withSchema("pay", whole), bad, cut("pay/eu")), command: put("pay/eu", events.SchemaDoc{}), refused: events.ErrSchema, says: "pay/eu"},
		{name: "that holds again further below", in: governed(deeper, withSchema("pay", whole), withEntry("pay/eu/de", "port", `"x"`, 30), cut("pay/eu")), command: put("pay/eu", events.SchemaDoc{}), refused: events.ErrSchema, says: "pay/eu/de"},
		{name: "that holds again where all is well", in: governed(withSchema("pay", whole), withEntry("pay/eu", "port", `1`, 30), cut("pay/eu")), command: put("pay/eu", events.SchemaDoc{})},
	})
}

// Settings say which values come from above; who joins or cuts must not break
// what holds.
func TestValuesThatComeOrGoWithInheritanceAreJudged(t *testing.T) {
	const whole, needed = `{"properties":{"port":{"type":"integer"}}}`, `{"required":["port"]}`
	apart := withSettings("pay/eu", events.Settings{Inherit: new(false)})
	join := events.PutSettings{Namespace: "pay/eu", Actor: "carol"}
	cut := events.PutSettings{Namespace: "pay/eu", Settings: events.Settings{Inherit: new(false)}, Actor: "carol"}
	deeper := func(w *world) {
		w.namespaces["pay/eu/de"] = events.Namespace{Path: "pay/eu/de", Created: 14, Revision: 14}
	}
	checkVerdicts(t, []verdict{
		{name: "joined to a bad value", in: governed(withEntry("pay", "port", `"x"`, 30), apart, withSchema("pay/eu", whole)), command: join, refused: events.ErrSchema, says: "port"},
		{name: "joined to a good value", in: governed(withEntry("pay", "port", `1`, 30), apart, withSchema("pay/eu", whole)), command: join},
		{name: "joined, with a value of its own", in: governed(withEntry("pay", "port", `"x"`, 30), withEntry("pay/eu", "port", `1`, 31), apart, withSchema("pay/eu", whole)), command: join},
		{name: "joined, below the other", in: governed(deeper, withEntry("pay", "port", `"x"`, 30), apart, withSchema("pay/eu/de", whole)), command: join, refused: events.ErrSchema, says: "pay/eu/de"},
		{name: "cut off from what it needs", in: governed(withEntry("pay", "port", `1`, 30), withSchema("pay/eu", needed)), command: cut, refused: events.ErrSchema, says: "pay/eu"},
		{name: "cut off from what it lacks anyway", in: governed(withSchema("pay/eu", needed)), command: cut},
		{name: "deleted, and what it kept from below comes through", in: governed(deeper, withEntry("pay", "port", `"x"`, 30), apart, withSchema("pay/eu/de", whole)), command: events.DeleteNamespace{Path: "pay/eu"}, refused: events.ErrSchema, says: "pay/eu/de"},
		{name: "deleted, and nothing comes through", in: governed(deeper, withEntry("pay", "port", `1`, 30), apart, withSchema("pay/eu/de", whole)), command: events.DeleteNamespace{Path: "pay/eu"}},
		{
			name: "deleted, and the schema that it kept from below holds", command: events.DeleteNamespace{Path: "pay/eu"}, refused: events.ErrSchema, says: "pay/eu/de",
			in: governed(deeper, withSchema("pay", whole), withEntry("pay/eu/de", "port", `"x"`, 30),
				policy("pay/eu", func(p *events.Policy) { p.Schema.Inherit, p.SchemaMark.Revision = new(false), p.Revision })),
		},
	})
}

func TestPutSettings(t *testing.T) {
	put := func(s events.Settings) events.PutSettings {
		return events.PutSettings{Namespace: "pay", Settings: s, Actor: "carol"}
	}
	freeze := func(from, until int64, reason string) events.PutSettings {
		return put(events.Settings{Freezes: []events.Freeze{{From: time.Unix(from, 0), Until: time.Unix(until, 0), Reason: reason}}})
	}
	window := func(w events.Window) events.PutSettings { return put(events.Settings{Windows: []events.Window{w}}) }
	two, three := events.Settings{MinApprovers: new(2)}, events.Settings{MinApprovers: new(3)}
	set := governed(withSettings("pay", two))
	guards := []events.Guard{thePolicies(20), theNamespace("pay", 3)}
	checkRulings(t, []ruling{
		{name: "replaced", in: set, command: put(three), facts: []fact{{"pay", "", events.SettingsChanged{Settings: three, Previous: two}}}, guards: guards},
		{name: "the same", in: set, command: put(two), guards: guards},
		{name: "no approvers", in: set, command: put(events.Settings{MinApprovers: new(0)}), refused: events.ErrInvalid, says: "minApprovers is 0, want 1 to 20"},
		{name: "21 approvers", in: set, command: put(events.Settings{MinApprovers: new(21)}), refused: events.ErrInvalid, says: "minApprovers is 21"},
		{name: "fewer keys than none", in: set, command: put(events.Settings{Quota: &events.Quota{Keys: -1}}), refused: events.ErrInvalid, says: "quota/keys is negative"},
		{name: "fewer bytes than none", in: set, command: put(events.Settings{Quota: &events.Quota{Bytes: -1}}), refused: events.ErrInvalid, says: "quota/bytes is negative"},
		{name: "a freeze that ends before", in: set, command: freeze(2, 2, "x"), refused: events.ErrInvalid, says: "freezes/0/until is not after from"},
		{name: "a freeze without reason", in: set, command: freeze(2, 3, ""), refused: events.ErrInvalid, says: "freezes/0/reason is empty"},
		{name: "a bad reason", in: set, command: freeze(2, 3, "\x00"), refused: events.ErrInvalid, says: "freezes/0/reason"},
		{name: "no such day", in: set, command: window(events.Window{Days: []string{"mon", "Tue"}, From: "09:00", To: "10:00"}), refused: events.ErrInvalid, says: `windows/0/days/1 "Tue"`},
		{name: "no such time", in: set, command: window(events.Window{From: "24:00", To: "10:00"}), refused: events.ErrInvalid, says: `windows/0/from "24:00"`},
		{name: "no time at all", in: set, command: window(events.Window{From: "09:00"}), refused: events.ErrInvalid, says: `windows/0/to ""`},
		{name: "no such zone", in: set, command: window(events.Window{From: "09:00", To: "10:00", Timezone: "Mars/Olympus"}), refused: events.ErrInvalid, says: "windows/0/timezone"},
		{name: "the zone of the machine", in: set, command: window(events.Window{From: "09:00", To: "10:00", Timezone: "Local"}), refused: events.ErrInvalid, says: "windows/0/timezone"},
		{name: "too many windows", in: set, command: put(events.Settings{Windows: make([]events.Window, 33)}), refused: events.ErrInvalid, says: "33 windows"},
		{name: "too many freezes", in: set, command: put(events.Settings{Freezes: make([]events.Freeze, 33)}), refused: events.ErrInvalid, says: "33 freezes"},
		{
			name: "moved", in: set, command: events.PutSettings{Namespace: "pay", If: events.Condition{Versions: []uint64{3}}, Actor: "carol"},
			refused: events.ErrCondition, says: "the settings of pay is at revision 20",
		},
		{name: "a bad namespace", in: set, command: events.PutSettings{Namespace: strings.Repeat("x", 65)}, refused: events.ErrInvalid, says: "namespace"},
	})
}
