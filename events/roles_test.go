package events_test

import (
	"testing"
	"time"

	"confman/events"
)

func TestWhatRolesReach(t *testing.T) {
	w := governed(
		withRoles("/", events.RoleGrant{Role: events.Viewer, Group: "all"}, events.RoleGrant{Role: events.Admin, Principal: "root"}),
		withRoles("pay", events.RoleGrant{Role: events.Publisher, Principal: "bob", Keys: "db/*"}, events.RoleGrant{Role: events.Editor, Group: "payments"}),
		withRoles("pay/eu", events.RoleGrant{Role: events.Viewer, Principal: "eve"}),
		policy("pay/eu", func(p *events.Policy) { p.Roles.Inherit = new(false) }),
		func(w *world) { w.policies["pay/eu/x"] = events.Policy{} },
	)
	who := func(name string, groups ...string) events.Principal {
		return events.Principal{Name: name, Groups: groups, Book: *w}
	}
	mixed := who("bob")
	mixed.Grants = []events.Grant{{Namespace: "web", Role: events.Admin}}
	keyOnly := events.Principal{Name: "root"}
	for _, tt := range []struct {
		name           string
		p              events.Principal
		role           events.Role
		namespace, key string
		can, see       bool
		within         bool // CanSeeWithin
	}{
		{"from above", who("x", "all"), events.Viewer, "pay", "k", true, true, true},
		{"from above, not more than given", who("x", "all"), events.Editor, "pay", "k", false, true, true},
		{"from above, cut off", who("root"), events.Viewer, "pay/eu", "k", false, false, false},
		{"from above, cut off further up", who("root"), events.Viewer, "pay/eu/x", "k", false, false, false},
		{"of itself", who("eve"), events.Viewer, "pay/eu", "", true, true, true},
		{"below it", who("eve"), events.Viewer, "pay/eu/x", "", true, true, true},
		{"above it", who("eve"), events.Viewer, "pay", "k", false, false, true},
		{"everything, of which it sees some", who("eve"), events.Viewer, "/", "", false, false, true},
		{"narrowed, inside", who("bob"), events.Publisher, "pay", "db/x", true, true, true},
		{"narrowed, outside", who("bob"), events.Viewer, "pay", "x", false, true, true},
		{"narrowed, the namespace as a whole", who("bob"), events.Viewer, "pay", "", false, true, true},
		{"by a group", who("x", "y", "payments"), events.Editor, "pay", "k", true, true, true},
		{"by a group named like a principal", who("x", "bob"), events.Viewer, "pay", "db/x", false, false, false},
		{"by a principal named like a group", who("payments"), events.Viewer, "pay", "k", false, false, false},
		{"no name, no groups", who(""), events.Viewer, "pay", "k", false, false, false},
		{"beside a key's grants", mixed, events.Admin, "web", "", true, true, true},
		{"beside a key's grants, by name", mixed, events.Publisher, "pay", "db/x", true, true, true},
		{"a key without roles", keyOnly, events.Viewer, "pay", "k", false, false, false},
	} {
		if got := tt.p.Can(tt.role, tt.namespace, tt.key); got != tt.can {
			t.Errorf("%s: can %s: %v", tt.name, tt.role, got)
		}
		if got := tt.p.CanSee(tt.namespace); got != tt.see {
			t.Errorf("%s: can see: %v", tt.name, got)
		}
		if got := tt.p.CanSeeWithin(tt.namespace); got != tt.within {
			t.Errorf("%s: can see within: %v", tt.name, got)
		}
	}
}

func TestWhoMakesWhichAPIKeys(t *testing.T) {
	web := []events.Grant{{Namespace: "web", Role: events.Editor}}
	create := func(by events.Principal, principal string, grants []events.Grant) events.CreateKey {
		return events.CreateKey{ID: "k9", Name: "n", Principal: principal, Grants: grants, Digest: "d", By: by}
	}
	root, admin := granted("root", events.Admin, "/"), granted("adi", events.Admin, "web")
	person := byRoles("bob")
	created := func(principal string, grants []events.Grant, roles bool) []fact {
		return []fact{{"", "", events.KeyCreated{ID: "k9", Name: "n", Principal: principal, Grants: grants, Digest: "d", Roles: roles}}}
	}
	free := []events.Guard{theKey("k9", 0)}
	looked := []events.Guard{thePolicies(0), theKey("k9", 0)}
	known := governed(withRoles("pay", bobPublishes))
	ofPay := governed(apiKey("k7", "ci", "root", false, publishesPay))
	ofWeb := governed(apiKey("k7", "ci", "adi", false, web...))
	bare := governed(apiKey("k7", "ci", "root", true))
	revoked := governed(apiKey("k7", "ci", "root", false, publishesPay), func(w *world) {
		k := w.keys["k7"]
		k.RevokedAt = time.Unix(1, 0)
		w.keys["k7"] = k
	})
	checkRulings(t, []ruling{
		{name: "an admin of everything, for anybody", in: known, command: create(root, "bob", nil), facts: created("bob", nil, true), guards: free},
		{name: "an admin of everything, for itself", in: known, command: create(root, "root", web), facts: created("root", web, true), guards: free},
		{name: "anybody with roles, for itself", in: known, command: create(person, "bob", nil), facts: created("bob", nil, true), guards: free},
		{name: "anybody with roles, by the key's name", in: known, command: func() events.CreateKey {
			c := create(person, "", nil)
			c.Name = "bob"
			return c
		}(), facts: []fact{{"", "", events.KeyCreated{ID: "k9", Name: "bob", Principal: "bob", Digest: "d", Roles: true}}}, guards: free},
		{name: "who has no roles, for itself", in: known, command: create(admin, "adi", web), facts: created("adi", web, false), guards: free},
		{name: "who has no roles, for itself, nothing", in: known, command: create(admin, "adi", nil), refused: events.ErrInvalid, says: "grants is empty, and the key would not take the roles of adi"},
		{name: "an admin, for somebody new", in: known, command: create(admin, "ci", web), facts: created("ci", web, false), guards: []events.Guard{thePolicies(20), theKey("k9", 0)}},
		{name: "an admin, for somebody new, nothing", in: known, command: create(admin, "ci", nil), refused: events.ErrInvalid, says: "grants is empty"},
		{name: "an admin, for one of its own", in: ofWeb, command: create(admin, "ci", web), facts: created("ci", web, false), guards: looked},
		{name: "an admin, for whom a role names", in: known, command: create(admin, "bob", web), refused: events.ErrForbidden, says: "bob is known to others"},
		{name: "an admin, for one of others", in: ofPay, command: create(admin, "ci", web), refused: events.ErrForbidden, says: "ci is known"},
		{name: "an admin, for one whose key was revoked", in: revoked, command: create(admin, "ci", web), refused: events.ErrForbidden, says: "ci is known"},
		{name: "an admin, for one who has roles only", in: bare, command: create(admin, "ci", web), refused: events.ErrForbidden, says: "ci is known"},
		{name: "the cluster itself", in: known, command: create(events.Principal{}, "bob", web), facts: created("bob", web, false), guards: free},
	})
}

func TestAKeyBearsRolesOnlyIfItTakesThem(t *testing.T) {
	w := governed(withRoles("pay", bobPublishes))
	for roles, want := range map[bool]bool{true: true, false: false} {
		p := events.APIKey{ID: "k9", Principal: "bob", Roles: roles}.Bearer(w)
		if p.Name != "bob" || p.KeyID != "k9" || p.Can(events.Publisher, "pay", "url") != want {
			t.Errorf("roles %v: %+v", roles, p)
		}
	}
}
