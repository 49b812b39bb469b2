package events_test

import (
	"errors"
	"strings"
	"testing"

	"confman/events"
)

func TestWhatGrantsReach(t *testing.T) {
	everything := []events.Grant{{Namespace: "/", Role: events.Admin}}
	pay := []events.Grant{{Namespace: "teams/pay", Role: events.Editor}}
	narrow := []events.Grant{{Namespace: "teams/pay", Role: events.Publisher, Keys: "db/*"}}
	exact := []events.Grant{{Namespace: "teams/pay", Role: events.Viewer, Keys: "db/url"}}
	anyKey := []events.Grant{{Namespace: "teams/pay", Role: events.Viewer, Keys: "*"}}
	for _, tt := range []struct {
		name           string
		grants         []events.Grant
		role           events.Role
		namespace, key string
		can, see       bool
	}{
		{"no grant", nil, events.Viewer, "teams/pay", "k", false, false},
		{"the root reaches everything", everything, events.Admin, "a/b", "k", true, true},
		{"the root reaches what has no namespace", everything, events.Admin, "", "", true, true},
		{"the root's own name", everything, events.Admin, "/", "", true, true},
		{"a role includes those before it", pay, events.Viewer, "teams/pay", "k", true, true},
		{"a role does not include those after it", pay, events.Publisher, "teams/pay", "k", false, true},
		{"below", pay, events.Editor, "teams/pay/eu", "", true, true},
		{"above", pay, events.Viewer, "teams", "", false, false},
		{"beside, with the same beginning", pay, events.Viewer, "teams/payments", "k", false, false},
		{"what has no namespace", pay, events.Viewer, "", "", false, false},
		{"narrowed, inside", narrow, events.Publisher, "teams/pay", "db/url", true, true},
		{"narrowed, inside and below", narrow, events.Publisher, "teams/pay/eu", "db/a/b", true, true},
		{"narrowed, outside", narrow, events.Viewer, "teams/pay", "cache/url", false, true},
		{"narrowed, the prefix without its slash", narrow, events.Viewer, "teams/pay", "db", false, true},
		{"narrowed, the namespace as a whole", narrow, events.Viewer, "teams/pay", "", false, true},
		{"exact, the key", exact, events.Viewer, "teams/pay", "db/url", true, true},
		{"exact, a longer key", exact, events.Viewer, "teams/pay", "db/url2", false, true},
		{"every key, a key", anyKey, events.Viewer, "teams/pay", "k", true, true},
		{"every key, the namespace as a whole", anyKey, events.Viewer, "teams/pay", "", false, true},
		{"two grants add up", append(pay, narrow...), events.Publisher, "teams/pay", "db/url", true, true},
		{"two grants do not mix", append(pay, narrow...), events.Publisher, "teams/pay", "k", false, true},
		{"no role shows nothing", []events.Grant{{Namespace: "a"}}, events.Viewer, "a", "k", false, false},
	} {
		p := events.Principal{Grants: tt.grants}
		if got := p.Can(tt.role, tt.namespace, tt.key); got != tt.can {
			t.Errorf("%s: can %s: %v", tt.name, tt.role, got)
		}
		if got := p.CanSee(tt.namespace); got != tt.see {
			t.Errorf("%s: can see: %v", tt.name, got)
		}
	}
}

func TestGrantsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		grants  []events.Grant
		pointer string // of what is to blame; empty: accepted
	}{
		{"everything", []events.Grant{{Namespace: "/", Role: events.Viewer}}, ""},
		{"a prefix of keys", []events.Grant{{Namespace: "a", Role: events.Admin, Keys: "db/*"}}, ""},
		{"a prefix within a segment", []events.Grant{{Namespace: "a", Role: events.Admin, Keys: "db/u*"}}, ""},
		{"hidden files", []events.Grant{{Namespace: "a", Role: events.Admin, Keys: ".*"}}, ""},
		{"every key", []events.Grant{{Namespace: "a", Role: events.Admin, Keys: "*"}}, ""},
		{"one key", []events.Grant{{Namespace: "a", Role: events.Admin, Keys: "db/url"}}, ""},
		{"64 of them", make64(events.Grant{Namespace: "a", Role: events.Viewer}), ""},
		{"none", nil, ""},
		{"65 of them", append(make64(events.Grant{Namespace: "a", Role: events.Viewer}), events.Grant{}), "/grants"},
		{"no namespace", []events.Grant{{Role: events.Viewer}}, "/grants/0/namespace"},
		{"a bad namespace", []events.Grant{{Namespace: "/", Role: events.Viewer}, {Namespace: "a//b", Role: events.Viewer}}, "/grants/1/namespace"},
		{"no role", []events.Grant{{Namespace: "a"}}, "/grants/0/role"},
		{"an unknown role", []events.Grant{{Namespace: "a", Role: 9}}, "/grants/0/role"},
		{"a star in the middle", []events.Grant{{Namespace: "a", Role: events.Viewer, Keys: "a*b"}}, "/grants/0/keys"},
		{"two stars", []events.Grant{{Namespace: "a", Role: events.Viewer, Keys: "a**"}}, "/grants/0/keys"},
		{"a prefix no key has", []events.Grant{{Namespace: "a", Role: events.Viewer, Keys: "/*"}}, "/grants/0/keys"},
		{"an empty segment", []events.Grant{{Namespace: "a", Role: events.Viewer, Keys: "db//*"}}, "/grants/0/keys"},
		{"a folder without a star", []events.Grant{{Namespace: "a", Role: events.Viewer, Keys: "db/"}}, "/grants/0/keys"},
	} {
		err := events.CheckGrants("/grants", tt.grants)
		if tt.pointer == "" {
			if err != nil {
				t.Errorf("%s: refused: %v", tt.name, err)
			}
			continue
		}
		var r *events.Refusal
		if !errors.As(err, &r) || r.Kind != events.ErrInvalid || len(r.Fields) != 1 || r.Fields[0].Pointer != tt.pointer {
			t.Errorf("%s: %#v, want ErrInvalid at %s", tt.name, err, tt.pointer)
		}
	}
}

func make64(g events.Grant) []events.Grant {
	grants := make([]events.Grant, 64)
	for i := range grants {
		grants[i] = g
	}
	return grants
}

func TestRolesAreWrittenByName(t *testing.T) {
	for _, name := range []string{"viewer", "editor", "publisher", "admin"} {
		role, err := events.ParseRole(name)
		if err != nil || role.String() != name {
			t.Errorf("%s: %v, %v", name, role, err)
		}
	}
	if !(events.Viewer < events.Editor && events.Editor < events.Publisher && events.Publisher < events.Admin) {
		t.Error("roles are not in order")
	}
	for _, s := range []string{"", "none", "Admin", "root", strings.Repeat("x", 1000)} {
		if role, err := events.ParseRole(s); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v, %v", s, role, err)
		}
	}
	if got := events.Role(77).String(); got != "role 77" {
		t.Errorf("an unknown role is called %q", got)
	}
}
