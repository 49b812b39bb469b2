package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
)

func (b *bench) explain(query string, headers ...string) wire.AccessExplanation {
	b.t.Helper()
	return decodeAs[wire.AccessExplanation](b.do("GET", "/api/v1/access/explain?"+query, nil, headers...).is(200))
}

// reasons in short: "editor by role of pay/eu: why not".
func reasons(e wire.AccessExplanation) (lines []string) {
	for _, r := range e.Reasons {
		line := fmt.Sprintf("%s by %s of %s", r.Role, r.Source, r.Namespace)
		if !r.Counts {
			line += ": " + r.Why
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAccessIsExplained(t *testing.T) {
	b := newGoverned(t)
	b.submit(events.PutRoles{Namespace: events.Root, Roles: events.Roles{Grants: []events.RoleGrant{{Role: events.Admin, Group: "ops"}}}})
	b.submit(events.PutRoles{Namespace: "pay", Roles: events.Roles{Inherit: new(bool), Grants: []events.RoleGrant{{Role: events.Editor, Principal: "carl"}, {Role: events.Publisher, Principal: "dora"}}}})
	b.submit(events.PutRoles{Namespace: "pay/eu", Roles: events.Roles{Grants: []events.RoleGrant{{Role: events.Publisher, Group: "eu", Keys: "db/*"}}}})
	soon := moment.Add(time.Hour)
	for _, k := range []wire.NewKey{
		{Name: "carl", Grants: []wire.Grant{{Namespace: "pay/eu", Role: "viewer"}, {Namespace: "other", Role: "admin"}}},
		{Name: "old", Principal: "carl", Grants: []wire.Grant{{Namespace: "pay", Role: "admin"}}, ExpiresAt: &soon},
	} {
		b.do("POST", "/api/v1/keys", k).is(201)
	}
	b.clock.Add(7200)
	const who = "principal=carl&group=ops&group=eu&namespace=pay/eu"
	whole := []string{
		"publisher by role of pay/eu: it is for the keys db/* only, not for the namespace as a whole",
		"editor by role of pay",
		"admin by role of /: cut off by the roles of namespace pay, which do not inherit",
		"viewer by key of pay/eu",
	}
	for query, want := range map[string]string{who: "editor", who + "&key=db/url": "publisher", who + "&key=x": "editor", "principal=carl&namespace=/&group=ops": "admin", "principal=nobody&namespace=pay": "none"} {
		if e := b.explain(query); e.Role != want {
			t.Errorf("%s: %s by %q, want %s", query, e.Role, reasons(e), want)
		}
	}
	got := reasons(b.explain(who))
	expired := slices.IndexFunc(got, func(line string) bool { return strings.HasPrefix(line, "admin by key of pay: the API key expired") })
	if expired < 0 {
		t.Fatalf("nothing of the expired key in %q", got)
	}
	if got = slices.Delete(got, expired, expired+1); !slices.Equal(got, whole) {
		t.Errorf("reasons %q\nwant %q", got, whole)
	}
}

// What is explained is what the one authorizer decides.
func TestTheExplanationIsWhatTheAuthorizerSays(t *testing.T) {
	b := newGoverned(t)
	b.submit(events.PutRoles{Namespace: "pay", Roles: events.Roles{Grants: []events.RoleGrant{{Role: events.Editor, Group: "eu", Keys: "db/*"}, {Role: events.Viewer, Principal: "carl"}}}})
	b.submit(events.PutRoles{Namespace: "pay/eu", Roles: events.Roles{Inherit: new(bool), Grants: []events.RoleGrant{{Role: events.Publisher, Principal: "carl", Keys: "a"}}}})
	who := events.Principal{Name: "carl", Groups: []string{"eu"}, Book: b.node.State()}
	for _, namespace := range []string{"pay", "pay/eu", "pay/us", "other", events.Root} {
		for _, key := range []string{"", "a", "db/url"} {
			want := events.NoRole
			for role := events.Viewer; role <= events.Admin; role++ {
				if who.Can(role, namespace, key) {
					want = role
				}
			}
			if e := b.explain("principal=carl&group=eu&namespace=" + namespace + "&key=" + key); e.Role != want.String() {
				t.Errorf("%s/%s: %s by %q, want %s", namespace, key, e.Role, reasons(e), want)
			}
		}
	}
}

func TestAccessIsExplainedToAdminsAndToOneself(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	admin, carl := by(b.key("pat", "pay", "admin", "")), by(b.key("carl", events.Root, "viewer", ""))
	if e := b.explain("principal=carl&namespace=pay", admin); e.Role != "viewer" || e.Reasons[0].KeyID != "" {
		t.Errorf("the admin of pay hears %+v", e) // the key is not the admin's to see
	}
	if e := b.explain("principal=carl&namespace=pay"); e.Reasons[0].KeyID == "" {
		t.Errorf("the admin of everything hears %+v", e)
	}
	if e := b.explain("namespace=pay", carl); e.Role != "viewer" || e.Principal != "carl" || e.Reasons[0].KeyID == "" {
		t.Errorf("carl hears %+v", e)
	}
	for _, query := range []string{"principal=pat&namespace=pay", "namespace=pay&group=ops"} {
		b.do("GET", "/api/v1/access/explain?"+query, nil, carl).problem(403, wire.ProblemForbidden)
	}
	b.do("GET", "/api/v1/access/explain?principal=carl&namespace=other", nil, admin).problem(403, wire.ProblemForbidden)
	for _, query := range []string{"", "namespace=", "namespace=a//b", "namespace=pay&key=//", "namespace=pay&namespace=b"} {
		b.do("GET", "/api/v1/access/explain?"+query, nil).problem(400, wire.ProblemMalformed)
	}
}
