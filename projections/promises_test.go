package projections_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"

	"confman/events"
	"confman/projections"
)

// transaction is what one proposal brought, as the ledger takes it.
type transaction struct {
	*ledger
	s       *sim
	attempt attempt
	told    []events.Event
	first   uint64
	basis   string // of the publish request that it is about, before any of it
	changed map[place]bool
}

// take folds the events of one proposal and holds them against the promises.
func (l *ledger) take(s *sim, a attempt, records []events.Record) {
	s.Helper()
	if len(records) == 0 {
		return
	}
	t := &transaction{ledger: l, s: s, attempt: a, first: records[0].Index, changed: map[place]bool{}}
	before := t.judged()
	values := map[string]map[string]string{}
	for ns := range l.spaces {
		values[ns] = l.effective(ns)
	}
	live, used := maps.Clone(l.spaces), l.used(false)
	for _, r := range records {
		e, err := r.Event()
		if err != nil {
			s.Fatal(err)
		}
		if e.Request != "" && t.basis == "" && l.requests[e.Request] != nil {
			t.basis = l.basis(l.requests[e.Request])
		}
		t.told = append(t.told, e)
		l.index = r.Index
		t.event(e)
	}
	t.schemasHold(before, live, values)
	t.quotasHold(used)
	l.usedAt[l.index] = l.used(false)
}

func (t *transaction) broken(format string, args ...any) {
	t.s.Helper()
	t.s.Errorf("%T %+v, events %d to %d: "+format, append([]any{t.attempt.command, t.attempt.command, t.first, t.index}, args...)...)
}

// approved holds a request against the number of approvals that it needs.
func (t *transaction) approved(r *asked) {
	for _, c := range r.changes {
		needs := setting(t.ledger, c.Namespace, func(s events.Settings) *int { return s.MinApprovers }, 1)
		if n := t.approvals(r, c, t.basis, t.attempt.stamp.Time); n < needs {
			t.broken("%s/%s has %d approvals of %d", c.Namespace, c.Key, n, needs)
		}
	}
}

// published holds what is published against what was asked and when.
func (t *transaction) published(e events.Event, r *asked, d events.RequestPublished) {
	lead := 1 // the approval or the bypass before the changes
	switch c := t.attempt.command.(type) {
	case events.BypassRequest:
		for _, change := range r.changes {
			at := place{change.Namespace, change.Key}
			if !setting(t.ledger, at.namespace, func(s events.Settings) *bool { return s.AllowBypass }, false) || !t.can(c.By.Name, c.By.Groups, c.By.KeyID, events.Admin, at) {
				t.broken("%v is bypassed by %s, who may not", at, c.By.Name)
			}
		}
	default:
		if _, due := c.(events.PublishDue); due || t.told[0].Data.Kind() != "publish-request.approved" {
			lead = 0
		}
		t.approved(r)
		now := t.attempt.stamp.Time
		for _, change := range r.changes {
			if now.Before(r.publishAt) || !t.open(change.Namespace, now) {
				t.broken("published at %v, asked for %v", now, r.publishAt)
			}
		}
	}
	if len(t.told) != lead+d.Changed+1 {
		t.broken("%d changes are announced, the events are %+v", d.Changed, t.told)
	}
	for i, c := range r.changes {
		at, want := place{c.Namespace, c.Key}, r.content[i]
		if is := t.entries[at]; is.value != want.value || want.value != "" && is.description != want.description {
			t.broken("%v is published as %+v, the draft was %+v", at, is, want)
		}
		delete(t.changed, at)
	}
	for at := range t.changed {
		t.broken("%v is changed, which nobody asked for", at)
	}
}

// judged says of each live namespace which schemas hold in it, since when, and
// whether its values please them.
func (t *transaction) judged() map[[2]string]judged {
	all := map[[2]string]judged{}
	for ns := range t.spaces {
		values := t.effective(ns)
		for of, p := range t.schemas(ns) {
			all[[2]string{ns, of}] = judged{p.schemaAt, t.pleases(t.s, string(p.schema.Schema.Document()), values)}
		}
	}
	return all
}

type judged struct {
	since uint64
	valid bool
}

// schemasHold: what was right is not made wrong, and nothing that is wrong is
// written, unless a schema is forced on it.
func (t *transaction) schemasHold(before map[[2]string]judged, live map[string]bool, values map[string]map[string]string) {
	forced := slices.ContainsFunc(t.told, func(e events.Event) bool { d, ok := e.Data.(events.SchemaChanged); return ok && d.Forced })
	for at, now := range t.judged() {
		was, held := before[at]
		is := t.effective(at[0])
		if !now.valid && !forced && live[at[0]] && len(is) > 0 && (!held || was.since != now.since || was.valid) {
			t.broken("the values of %s break the schema of %s: %v", at[0], at[1], is)
		}
		document := string(t.policies[at[1]].schema.Schema.Document())
		for _, known := range simSchemas {
			if known.document != document || !held || was.since != now.since {
				continue
			}
			for key, value := range is {
				if values[at[0]][key] != value && !t.pleases(t.s, known.alone, map[string]string{key: value}) {
					t.broken("%s comes to be %s in %s against the schema of %s", key, value, at[0], at[1])
				}
			}
		}
	}
}

// quotasHold: whoever grows over a quota saw room for it, and was overtaken by no
// more than what was written at the same time.
func (t *transaction) quotasHold(before map[string]events.Usage) {
	seen := t.attempt.on.Index()
	published := t.told[len(t.told)-1].Data.Kind() == "publish-request.published"
	for ns, u := range t.used(false) {
		quota, more := t.policies[ns].settings.Quota, u.Minus(before[ns])
		if quota == nil || published {
			continue
		}
		room := t.usedAt[seen][ns]
		room = events.Usage{Keys: max(room.Keys, quota.Keys), Bytes: max(room.Bytes, quota.Bytes)}
		for _, w := range t.written {
			if w.index > seen && below(w.at.namespace, ns) {
				room = room.Plus(events.Usage{Keys: 1, Bytes: int64(len(w.at.key) + w.bytes)})
			}
		}
		if quota.Keys > 0 && more.Keys > 0 && u.Keys > room.Keys || quota.Bytes > 0 && more.Bytes > 0 && u.Bytes > room.Bytes {
			t.broken("%s holds %+v, %+v more, room was for %+v", ns, u, more, room)
		}
	}
	for _, e := range t.told {
		switch d := e.Data.(type) {
		case events.ConfigCreated:
			t.wrote(e, d.Value)
		case events.ConfigUpdated:
			t.wrote(e, d.Value)
		case events.ConfigRolledBack:
			t.wrote(e, d.Value)
		case events.DraftSaved:
			t.wrote(e, d.Value)
		}
	}
}

func (t *transaction) wrote(e events.Event, v events.Value) {
	t.written = append(t.written, writing{t.index, place{e.Namespace, e.Key}, len(v.JSON)})
}

// compare holds a state against the ledger.
func (l *ledger) compare(s *sim, now *projections.State) {
	s.Helper()
	drafts, requests := map[place]drafted{}, map[string]bool{}
	for _, ns := range simSpaces {
		for d := range now.Drafts(ns) {
			drafts[place{ns, d.Key}] = drafted{string(d.Value.JSON), d.Description, d.UpdatedBy, d.Request, d.Saved}
		}
	}
	if !maps.Equal(drafts, l.drafts) {
		s.Errorf("at %d drafts are\n%+v, want\n%+v", now.Index(), drafts, l.drafts)
	}
	for r := range now.Requests("") {
		requests[r.ID] = true
		want := l.requests[r.ID]
		if want == nil || !r.State.Open() || !r.DueAt.Equal(want.due) || (r.State == events.Scheduled) != !want.due.IsZero() || r.SubmittedBy != want.by {
			s.Errorf("at %d there is the open request %+v, want %+v", now.Index(), r, want)
			continue
		}
		for i, c := range r.Changes {
			if c.Draft != want.content[i].saved {
				s.Errorf("at %d %s pins draft %d of %s/%s, want %d", now.Index(), r.ID, c.Draft, c.Namespace, c.Key, want.content[i].saved)
			}
		}
	}
	if len(requests) != len(l.requests) {
		s.Errorf("at %d open requests are %v, want %v", now.Index(), requests, l.requests)
	}
	hooks := map[string]hook{}
	for w := range now.Webhooks("") {
		hooks[w.ID] = hook{w.Cursor, w.Disabled, len(w.Secrets), len(w.Dead)}
	}
	if !maps.Equal(hooks, l.hooks) {
		s.Errorf("at %d webhooks are %+v, want %+v", now.Index(), hooks, l.hooks)
	}
	each, sums := l.used(true), l.used(false)
	for _, ns := range append(simSpaces, "/") {
		is, want := now.Policy(ns), l.policies[ns]
		if got := (policy{is.Roles, is.Schema, is.SchemaMark.Revision, is.Settings}); got.text(s) != want.text(s) {
			s.Errorf("at %d the policy of %s is %+v, want %+v", now.Index(), ns, is, want)
		}
		if now.Usage(ns) != sums[ns] || now.Namespace(ns).Used != each[ns] {
			s.Errorf("at %d %s and below hold %+v, itself %+v, want %+v and %+v", now.Index(), ns, now.Usage(ns), now.Namespace(ns).Used, sums[ns], each[ns])
		}
	}
}

// text is the policy as JSON: schemas are compiled or not, and are the same.
func (p policy) text(s *sim) string {
	encoded, err := json.Marshal([]any{p.roles, p.schema, p.schemaAt, p.settings})
	if err != nil {
		s.Fatal(err)
	}
	return string(encoded)
}

func TestGovernedChangeKeepsItsPromises(t *testing.T) {
	tally := map[string]int{}
	eachGoverned(t, 100, func(t *testing.T, s *sim) {
		s.comparePresent(t)
		for what, n := range s.tally {
			tally[what] += n
		}
	})
	for _, what := range []string{
		"refused: approval required", "refused: frozen", "refused: over quota", "refused: locked", "refused: against a schema", "refused: an approval",
		"submitted", "publish-request.approved", "publish-request.published", "publish-request.scheduled", "publish-request.bypassed",
		"publish-request.rejected", "publish-request.withdrawn", "rejected when due", "stale", "events.SaveDraft", "events.DiscardDraft",
		"events.PutRoles", "events.PutSchema", "events.PutSettings", "events.Restore", "events.PublishDue", "events.CreateWebhook",
		"events.AdvanceWebhook", "events.GiveUpDelivery", "events.DeleteNamespace",
	} {
		if tally[what] == 0 && *seedFlag == 0 {
			t.Errorf("the simulations had no case of: %s", what)
		}
	}
	t.Log(tally)
}
