package projections_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"confman/events"
	"confman/projections"
)

// text is a value as JSON, to compare what has compiled schemas in it.
func text(t *testing.T, v any) string {
	t.Helper()
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestPoliciesDraftsAndRequestsAreReadAsOfAnEvent(t *testing.T) {
	eachGovernedMoment(t, func(t *testing.T, s *sim, was *projections.State, h *projections.History) {
		for _, ns := range append(simSpaces, events.Root) {
			got, err := h.Policy(ns)
			if want := was.Policy(ns); err != nil || text(t, got) != text(t, want) {
				t.Errorf("the policy of %s is %s, %v, want %s", ns, text(t, got), err, text(t, want))
			}
			for _, key := range simKeys {
				got, err := h.Draft(ns, key)
				if want := was.Draft(ns, key); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("the draft of %s/%s is %+v, %v, want %+v", ns, key, got, err, want)
				}
			}
		}
		for want := range was.Requests("") {
			if got, err := h.Request(want.ID); err != nil || text(t, got) != text(t, want) {
				t.Errorf("request %s is %s, %v, want %s", want.ID, text(t, got), err, text(t, want))
			}
		}
	})
}

// eachGovernedMoment runs on the history as of each event of some simulations,
// and the state that replaying the records up to it makes.
func eachGovernedMoment(t *testing.T, check func(t *testing.T, s *sim, was *projections.State, h *projections.History)) {
	simulate(t, 5, 250, func(i int) uint64 { return uint64(2*i + 2) }, func(t *testing.T, s *sim) {
		for n, was := range s.byRecords(t) {
			check(t, s, was, projections.NewHistory(s.store.at(uint64(n)), uint64(n)))
			if t.Failed() {
				t.Fatalf("as of event %d", n)
			}
		}
	})
}

func TestClosedRequestsAreListedNewestFirst(t *testing.T) {
	closed := 0
	eachGovernedMoment(t, func(t *testing.T, s *sim, was *projections.State, h *projections.History) {
		ends := map[string]events.Record{}
		var want []string
		for _, r := range s.records[:was.Index()] {
			e, err := r.Event()
			if err != nil {
				t.Fatal(err)
			}
			switch e.Data.(type) {
			case events.RequestRejected, events.RequestWithdrawn, events.RequestPublished:
				ends[e.Request] = r
				want = append(want, e.Request)
			}
		}
		slices.Sort(want)
		slices.Reverse(want)
		closed += len(want)
		for i := range len(want) + 1 { // after each of them
			before := ""
			if i > 0 {
				before = want[i-1]
			}
			var got []string
			for _, r := range each(t, h.ClosedRequests(before)) {
				got = append(got, r.ID)
				end := ends[r.ID]
				if r.State.Open() || r.Resolution == nil || r.Resolution.Index != end.Index || !r.Resolution.At.Equal(end.Time) || r.Revision != end.Index {
					t.Errorf("%s is %+v, it ended at %d", r.ID, r, end.Index)
				}
				if one, err := h.Request(r.ID); err != nil || !reflect.DeepEqual(one, r) {
					t.Errorf("%s by itself is %+v, %v, in the list %+v", r.ID, one, err, r)
				}
			}
			if !slices.Equal(got, want[i:]) {
				t.Errorf("before %q: %v, want %v", before, got, want[i:])
			}
		}
	})
	if closed == 0 {
		t.Error("no request was closed")
	}
}

// governedPresent is a history at the level of policies.
func governedPresent(t *testing.T, commands ...events.Command) (*present, *rows) {
	p, store := begun(t), newRows() // a/x
	step := func(c events.Command) { store.write(p.must(p.decide(c, time.Unix(2000, 0), "")).Rows) }
	step(events.RaiseLevel{Level: 3})
	for _, c := range commands {
		step(c)
	}
	return p, store
}

func draft(ns, key, raw string) events.SaveDraft {
	return events.SaveDraft{Namespace: ns, Key: key, Content: events.Content{Value: []byte(raw)}, Actor: "ann"}
}

func submit(id string, changes ...events.Submitted) events.SubmitRequest {
	return events.SubmitRequest{ID: id, Changes: changes, Actor: "ann"}
}

func TestAClosedRequestTellsHowItWent(t *testing.T) {
	bob := events.Principal{Name: "bob", Grants: []events.Grant{{Namespace: "/", Role: events.Admin}}}
	keyed := events.CreateKey{ID: "k1", Name: "bob", Digest: "d", Grants: bob.Grants, By: events.Principal{Name: "root", Grants: bob.Grants}}
	bob.KeyID = "k1"
	value := &events.Content{Value: []byte(`1`)}
	p, store := governedPresent(t, keyed,
		events.PutSettings{Namespace: "a", Settings: events.Settings{AllowBypass: new(true)}, Actor: "ann"}, draft("a", "x", `7`), draft("a", "y", `8`))
	step := func(c events.Command) uint64 {
		store.write(p.must(p.decideAs(c, "bob")).Rows)
		return p.Index()
	}
	before := step(submit("r1", events.Submitted{Namespace: "a", Key: "x"}, events.Submitted{Namespace: "a", Key: "y"}))
	// Without an approval, for decideAs has bob as the actor of everything.
	published := step(events.BypassRequest{ID: "r1", By: bob, Comment: "fire"})
	step(submit("r2", events.Submitted{Namespace: "a", Key: "z", Content: value}))
	step(events.WithdrawRequest{ID: "r2", By: bob, Comment: "later"})

	h := projections.NewHistory(store.at(p.Index()), p.Index())
	r1, err := h.Request("r1")
	if err != nil {
		t.Fatal(err)
	}
	want := events.Resolution{By: "bob", At: time.Unix(2000, 0).UTC(), Comment: "fire", Bypassed: true, Before: before + 1, Index: published}
	if r1.State != events.Published || r1.Resolution == nil || !reflect.DeepEqual(*r1.Resolution, want) {
		t.Errorf("r1 is %s, %+v, want %+v", r1.State, r1.Resolution, want)
	}
	r2, err := h.Request("r2")
	if err != nil || r2.State != events.Withdrawn || r2.Resolution.Comment != "later" || r2.Resolution.Before != 0 {
		t.Errorf("r2 is %s, %+v, %v", r2.State, r2.Resolution, err)
	}
	if d := p.Draft("a", "z"); d.Request != "" || !d.Exists() || p.Draft("a", "x").Exists() {
		t.Errorf("afterwards the drafts are %+v and %+v", d, p.Draft("a", "x"))
	}
	if e := p.Entry("a", "x"); string(e.Value.JSON) != "7" || e.Version != 2 {
		t.Errorf("a/x is %+v", e)
	}
}

// decideAs is decide by somebody else.
func (p *present) decideAs(c events.Command, actor string) events.Proposal {
	p.Helper()
	proposal, err := events.Rules{}.Decide(p.State, c, events.Stamp{Time: time.Unix(2000, 0), Actor: actor})
	if err != nil {
		p.Fatal(err)
	}
	return proposal
}

// A draft that is saved, or saved and submitted, while a proposal to delete its
// namespace is on its way makes that stale; decided again, it takes the draft
// along, or is refused because of the review.
func TestANamespaceDoesNotEndOverDraftsThatCameMeanwhile(t *testing.T) {
	value := &events.Content{Value: []byte(`1`)}
	for name, tt := range map[string]struct {
		meanwhile events.Command
		locked    bool
	}{
		"saved":               {draft("a", "new", `1`), false},
		"saved again":         {draft("a", "old", `2`), false},
		"saved and submitted": {submit("r1", events.Submitted{Namespace: "a", Key: "new", Content: value}), true},
		"submitted":           {submit("r1", events.Submitted{Namespace: "a", Key: "old"}), true},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := governedPresent(t, draft("a", "old", `1`), draft("b", "x", `1`))
			end := p.decide(events.DeleteNamespace{Path: "a"}, time.Unix(2000, 0), "")
			p.must(p.decide(tt.meanwhile, time.Unix(2000, 0), ""))
			results, _ := p.commit(end)
			if !errors.Is(results[0].Err, events.ErrStale) {
				t.Fatalf("the deletion: %v, want it stale", results[0].Err)
			}
			again, err := events.Rules{}.Decide(p.State, events.DeleteNamespace{Path: "a"}, events.Stamp{Time: time.Unix(2000, 0), Actor: "ann"})
			if tt.locked {
				if !errors.Is(err, events.ErrLocked) {
					t.Errorf("decided again: %v, want it refused", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p.must(again)
			if p.Draft("a", "new").Exists() || p.Draft("a", "old").Exists() || !p.Draft("b", "x").Exists() {
				t.Error("it took other drafts along than its own")
			}
		})
	}
}

func TestListsOfGovernance(t *testing.T) {
	hook := func(id string) events.CreateWebhook {
		return events.CreateWebhook{ID: id, Secret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", Properties: events.WebhookProperties{
			URL: "https://h/", Namespace: "a", Events: []string{"config"},
		}}
	}
	roles := func(ns string) events.PutRoles {
		return events.PutRoles{Namespace: ns, Actor: "ann", Roles: events.Roles{Grants: []events.RoleGrant{{Role: events.Viewer, Principal: "p"}}}}
	}
	p, _ := governedPresent(t,
		draft("a", "y", `1`), draft("a", "k/1", `1`), draft("a", "k/10", `1`), draft("a/b", "x", `1`), draft("a.b", "x", `1`),
		submit("r2", events.Submitted{Namespace: "a", Key: "y"}), submit("r1", events.Submitted{Namespace: "a/b", Key: "x"}),
		hook("w2"), hook("w1"), hook("w3"), events.DeleteWebhook{ID: "w3"}, roles("a-b"), roles("a/b/c"), roles("a"), roles("/"), roles("b"),
	)
	var drafts, after, requests, webhooks, within, all, spaces []string
	for d := range p.Drafts("a") {
		drafts = append(drafts, d.Key)
	}
	for d := range p.DraftsAfter("a", "k/1") {
		after = append(after, d.Key)
	}
	for r := range p.Requests("r1") {
		requests = append(requests, r.ID)
	}
	for w := range p.Webhooks("w1") {
		webhooks = append(webhooks, w.ID)
	}
	for path := range p.RolesWithin("a") {
		within = append(within, path)
	}
	for path := range p.RolesWithin("/") {
		all = append(all, path)
	}
	for n := range p.NamespacesWithin("a") {
		spaces = append(spaces, n.Path)
	}
	for name, tt := range map[string]struct{ got, want []string }{
		"drafts of a": {drafts, []string{"k/1", "k/10", "y"}}, "drafts of a after k/1": {after, []string{"k/10", "y"}},
		"requests after r1": {requests, []string{"r2"}}, "webhooks after w1": {webhooks, []string{"w2"}},
		"roles within a": {within, []string{"a", "a/b/c"}}, "roles everywhere": {all, []string{"/", "a", "a-b", "a/b/c", "b"}},
		"namespaces within a": {spaces, []string{"a", "a/b", "a/b/c"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
}

func TestNothingIsInheritedWhereSettingsCut(t *testing.T) {
	p, _ := governedPresent(t, set("a/b", "y", 1), events.PutSettings{Namespace: "a/b", Settings: events.Settings{Inherit: new(false)}, Actor: "ann"})
	for namespace, want := range map[string]string{"a/b": "a/b", "a/b/c": "a/b/c a/b", "a/b/c/d": "a/b/c/d a/b/c a/b", "a/c": "a/c a", "a": "a"} {
		var line []string
		for at, ok := namespace, true; ok; at, ok = events.InheritsValues(p.State, at) {
			line = append(line, at)
		}
		if got := strings.Join(line, " "); got != want {
			t.Errorf("%s has the values of %s, want %s", namespace, got, want)
		}
	}
}

func TestAWebhookKeepsItsNewestDeadLetters(t *testing.T) {
	p, _ := governedPresent(t, events.CreateWebhook{ID: "w1", Secret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", Properties: events.WebhookProperties{
		URL: "https://h/", Namespace: "a", Events: []string{"config"},
	}})
	begins := p.Webhook("w1").Cursor
	if begins != p.Index() {
		t.Errorf("it is told of events after %d, want %d", begins, p.Index())
	}
	p.must(p.decide(set("c", "x", 1), time.Unix(3000, 0), ""))
	for range events.MaxDeadLetters + 5 {
		p.must(p.decide(events.GiveUpDelivery{ID: "w1", Letter: events.DeadLetter{Index: p.Index(), Error: fmt.Sprint(p.Index())}}, time.Unix(3000, 0), ""))
	}
	w := p.Webhook("w1")
	last := w.Dead[len(w.Dead)-1]
	if len(w.Dead) != events.MaxDeadLetters || last.Index != p.Index()-1 || w.Dead[0].Index != last.Index-events.MaxDeadLetters+1 || w.Cursor != last.Index || !last.At.Equal(time.Unix(3000, 0)) {
		t.Errorf("%d dead letters, from %+v to %+v, cursor %d", len(w.Dead), w.Dead[0], last, w.Cursor)
	}
}
