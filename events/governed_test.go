package events_test

import (
	"strings"
	"testing"
	"time"

	"confman/events"
)

// governed is a present at the level of policies, changed as told. It has the
// namespaces pay, pay/eu and web, and in pay the entries url (version 2, event 9)
// and zone (version 1, event 5).
func governed(changes ...func(*world)) *world {
	w := testWorld()
	w.index, w.cluster.Level, w.cluster.Revision = 99, 3, 10
	w.namespaces["pay/eu"] = events.Namespace{Path: "pay/eu", Owner: "ann", Created: 12, Revision: 12}
	w.namespaces["web"] = events.Namespace{Path: "web", Owner: "ann", Created: 13, Revision: 13}
	w.policies, w.drafts = map[string]events.Policy{}, map[[2]string]events.Draft{}
	w.requests, w.webhooks = map[string]events.Request{}, map[string]events.Webhook{}
	for _, change := range changes {
		change(&w)
	}
	return &w
}

// policy changes what a namespace sets, by event 20 or later.
func policy(ns string, set func(*events.Policy)) func(*world) {
	return func(w *world) {
		p := w.policies[ns]
		p.Namespace, p.Revision = ns, max(20, w.PoliciesRevision()+1)
		set(&p)
		w.policies[ns] = p
	}
}

func withSettings(ns string, s events.Settings) func(*world) {
	return policy(ns, func(p *events.Policy) { p.Settings, p.SettingsMark.Revision = s, p.Revision })
}

func withSchema(ns, document string) func(*world) {
	return policy(ns, func(p *events.Policy) { p.Schema.Schema, p.SchemaMark.Revision = schema(document), p.Revision })
}

func withRoles(ns string, grants ...events.RoleGrant) func(*world) {
	return policy(ns, func(p *events.Policy) { p.Roles.Grants, p.RolesMark.Revision = grants, p.Revision })
}

func withEntry(ns, key, value string, revision uint64) func(*world) {
	return func(w *world) {
		w.entries[[2]string{ns, key}] = events.Entry{Namespace: ns, Key: key, Value: parsed(value), Version: 1, Revision: revision}
		n := w.namespaces[ns]
		n.Contents = max(n.Contents, revision)
		w.namespaces[ns] = n
	}
}

// withDraft has a draft that somebody saved at an event; no value: a deletion.
func withDraft(ns, key, value, by string, saved uint64) func(*world) {
	return func(w *world) {
		d := events.Draft{Namespace: ns, Key: key, UpdatedBy: by, Saved: saved, Revision: saved, Delete: value == ""}
		if value != "" {
			d.Value = parsed(value)
		}
		w.drafts[[2]string{ns, key}] = d
	}
}

// withRequest has a publish request of drafts that are there, submitted at event
// 50 by ann.
func withRequest(id string, change func(*events.Request), drafts ...[2]string) func(*world) {
	return func(w *world) {
		r := events.Request{ID: id, State: events.PendingReview, SubmittedBy: "ann", Submitted: 50, Revision: 50}
		for _, at := range drafts {
			d := w.drafts[at]
			d.Request, d.Revision = id, 50
			w.drafts[at] = d
			r.Changes = append(r.Changes, events.Change{Namespace: at[0], Key: at[1], Draft: d.Saved, Editor: d.UpdatedBy, Delete: d.Delete})
		}
		if change != nil {
			change(&r)
		}
		w.requests[id] = r
	}
}

// approvedBy adds approvals of the present as it is, without API keys.
func approvedBy(id string, reviewers ...string) func(*world) {
	return func(w *world) {
		r := w.requests[id]
		for _, who := range reviewers {
			r.Reviews = append(r.Reviews, events.Review{Reviewer: who, Approved: true, Basis: r.Basis(*w), Index: 60})
			r.Revision = 60
		}
		w.requests[id] = r
	}
}

func parsed(raw string) events.Value {
	v, err := events.ParseValue([]byte(raw), "", 1<<20)
	if err != nil {
		panic(err)
	}
	return v
}

func thePolicies(revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.ThePolicies}, Revision: revision}
}

func theNamespaces(revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.TheNamespaces}, Revision: revision}
}

func theDraft(ns, key string, revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.TheDraft, Namespace: ns, Name: key}, Revision: revision}
}

func theRequest(id string, revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.TheRequest, Name: id}, Revision: revision}
}

func theWebhook(id string, revision uint64) events.Guard {
	return events.Guard{Subject: events.Subject{Noun: events.TheWebhook, Name: id}, Revision: revision}
}

// verdict is one row of a table that is only about what is refused.
type verdict struct {
	name    string
	in      *world
	command events.Command
	at      time.Time // zero: that of testStamp
	refused error     // nil: allowed
	says    string
}

func checkVerdicts(t *testing.T, verdicts []verdict) {
	t.Helper()
	for _, tt := range verdicts {
		stamp := testStamp()
		if !tt.at.IsZero() {
			stamp.Time = tt.at
		}
		_, err := events.Rules{}.Decide(*tt.in, tt.command, stamp)
		checkError(t, tt.name, err, tt.refused, tt.says)
	}
}

// granted is somebody who has a role on some namespaces by API key grants.
func granted(name string, role events.Role, namespaces ...string) events.Principal {
	p := events.Principal{Name: name}
	for _, ns := range namespaces {
		p.Grants = append(p.Grants, events.Grant{Namespace: ns, Role: role})
	}
	return p
}

// byRoles is somebody who has what namespaces give.
func byRoles(name string, groups ...string) events.Principal {
	return events.Principal{Name: name, Groups: groups, Book: world{}}
}

func contains(text, part string) bool { return strings.Contains(text, part) }
