package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
)

// maxLooks is in how many places the keys of a request may take effect before
// that is too much for one answer.
const maxLooks = 100_000

// impact answers GET /api/v1/publish-requests/{id}/impact: what publishing the
// request now would do, as far as the caller may see it.
func (x *exchange) impact() error {
	r, err := x.findRequest(x.names.id)
	if err != nil {
		return err
	}
	if !r.State.Open() {
		return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf("publish request %s is %s: it is not published any more", r.ID, r.State)}
	}
	done, err := x.idle() // a member may not answer
	if err != nil {
		return err
	}
	p := x.prospect(r)
	done()
	if err := x.enter(); err != nil { // what follows is work
		return err
	}
	shown := wire.Impact{
		Request: r.ID, Changes: []wire.EffectiveChange{}, Missing: []wire.MissingApproval{},
		Principals: []string{}, Unwatched: []wire.Unwatched{},
	}
	if err := p.effects(&shown); err != nil {
		return err
	}
	shown.Errors = p.errors()
	for i, a := range r.Standing(x.state, x.Now()).Changes {
		if c := r.Changes[i]; a.Have < a.Need && x.showsChange(r, c) {
			shown.Missing = append(shown.Missing, wire.MissingApproval{Namespace: c.Namespace, Key: c.Key, Have: a.Have, Need: a.Need})
		}
	}
	at := x.Now()
	if r.PublishAt.After(at) {
		at = r.PublishAt
	}
	_, shown.Frozen = events.Opens(x.state, r.Namespaces(), at)
	p.watched(&shown)
	return x.sendJSON(http.StatusOK, shown)
}

// showsChange reports whether the caller may see one change of a request that it
// may see: a draft is for its editors.
func (x *exchange) showsChange(r events.Request, c events.Change) bool {
	return x.principal.Can(events.Viewer, c.Namespace, c.Key) && (r.SubmittedBy == x.principal.Name || x.edits(c))
}

// prospect is the present with the drafts of a request published.
type prospect struct {
	*exchange
	request  events.Request
	drafts   map[entryAddress]events.Draft
	reached  []string // the namespaces in which the changes may take effect
	audience audience
	hits     map[entryAddress][]int // the watches that each change would reach
}

type entryAddress struct{ namespace, key string }

func (x *exchange) prospect(r events.Request) *prospect {
	p := &prospect{exchange: x, request: r, drafts: map[entryAddress]events.Draft{}, hits: map[entryAddress][]int{}, audience: x.audience()}
	for _, c := range r.Changes {
		at := entryAddress{c.Namespace, c.Key}
		p.drafts[at] = x.state.Draft(c.Namespace, c.Key)
		if x.showsChange(r, c) {
			p.hits[at] = x.reached(p.audience.watches, p.kind(c), c.Namespace, c.Key)
		}
	}
	reached := map[string]bool{}
	for _, n := range r.Namespaces() {
		reached[n] = true // it may not exist yet
		for below := range x.state.NamespacesWithin(n) {
			reached[below.Path] = true
		}
	}
	p.reached = slices.Sorted(maps.Keys(reached))
	return p
}

// kind is that of the event that publishes a change.
func (p *prospect) kind(c events.Change) events.Kind {
	switch now := p.state.Entry(c.Namespace, c.Key); {
	case c.Delete:
		return events.ConfigDeleted{}.Kind()
	case c.Source != nil:
		return events.ConfigRolledBack{}.Kind()
	case !now.Live():
		return events.ConfigCreated{}.Kind()
	}
	return events.ConfigUpdated{}.Kind()
}

// effects lists what readers who resolve would get instead of what they get now.
func (p *prospect) effects(shown *wire.Impact) error {
	if looks := len(p.reached) * len(p.request.Changes); looks > maxLooks {
		return &events.Refusal{Kind: events.ErrTooLarge, Detail: fmt.Sprintf("the request's keys may take effect in %d places, at most %d are looked at; make several of it", looks, maxLooks)}
	}
	seen := map[entryAddress]bool{}
	for _, c := range p.request.Changes {
		for _, n := range p.reached {
			at := entryAddress{n, c.Key}
			if seen[at] || !events.Within(n, c.Namespace) {
				continue
			}
			seen[at] = true
			if e, ok := p.effect(c, n); ok {
				shown.Changes = append(shown.Changes, e)
			}
		}
	}
	return nil
}

// effect is what a change does to what a reader of a namespace gets for its key;
// not ok where that stays as it is, or is not the caller's to see.
func (p *prospect) effect(c events.Change, namespace string) (e wire.EffectiveChange, ok bool) {
	old := p.resolve(namespace, c.Key, nil)
	is := p.resolve(namespace, c.Key, p.drafts)
	if old.Live() == is.Live() && old.Value.Equal(is.Value) || !p.shows(namespace, c.Key, c.Namespace, old.Namespace, is.Namespace) {
		return e, false
	}
	cause, from := entryAddress{c.Namespace, c.Key}, is.Namespace
	switch _, drafted := p.drafts[entryAddress{is.Namespace, c.Key}]; {
	case drafted:
		cause.namespace = is.Namespace
	case !is.Live():
		from = old.Namespace
	}
	e = wire.EffectiveChange{
		Namespace: namespace, Key: c.Key, Inherited: from != namespace, Value: []byte(is.Value.JSON), Watches: len(p.hits[cause]),
	}
	if old.Live() {
		e.Previous = &wire.PreviousVersion{Value: []byte(old.Value.JSON), Version: old.Version}
	}
	e.Diff = differences(old.Value.JSON, is.Value.JSON)
	return e, true
}

// resolve is the live entry that answers for a namespace, as the drafts make it.
func (p *prospect) resolve(namespace, key string, drafts map[entryAddress]events.Draft) events.Entry {
	for at, ok := namespace, true; ok; at, ok = events.InheritsValues(p.state, at) {
		e := p.state.Entry(at, key)
		if d, changed := drafts[entryAddress{at, key}]; changed {
			e = drafted(d)
			e.Namespace = at
		}
		if e.Live() {
			return e
		}
	}
	return events.Entry{}
}

// shows reports whether the caller may read a key wherever its value comes from,
// and see the drafts that are involved.
func (p *prospect) shows(namespace, key string, sources ...string) bool {
	if !p.principal.Can(events.Viewer, namespace, key) {
		return false
	}
	for _, n := range sources {
		if n == "" {
			continue
		}
		_, changed := p.drafts[entryAddress{n, key}]
		if changed && !p.showsChange(p.request, events.Change{Namespace: n, Key: key}) || !p.principal.Can(events.Viewer, n, key) {
			return false
		}
	}
	return true
}

// errors is the schemas' verdict. What it says of keys that the caller may not
// read wherever the request takes effect is only counted.
func (p *prospect) errors() []wire.FieldError {
	var drafts []events.Draft
	for _, c := range p.request.Changes {
		drafts = append(drafts, p.drafts[entryAddress{c.Namespace, c.Key}])
	}
	shown, hidden := []wire.FieldError{}, 0
	for _, f := range events.JudgeDrafts(p.state, drafts...) {
		first, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/")
		key := jsontext.Pointer("/" + first).LastToken()
		if f.Pointer == "" {
			key = ""
		}
		if slices.ContainsFunc(p.reached, func(n string) bool { return !p.principal.Can(events.Viewer, n, key) }) {
			hidden++
			continue
		}
		shown = append(shown, wire.FieldError{Pointer: f.Pointer, Detail: f.Detail})
	}
	if hidden > 0 {
		shown = append(shown, wire.FieldError{Detail: fmt.Sprintf("has %d violations at keys that you may not read everywhere", hidden)})
	}
	return shown
}

// watched fills in who would receive the changes. That nobody watches a key is
// known only to who would see the watches on it.
func (p *prospect) watched(shown *wire.Impact) {
	shown.Nodes, shown.Silent = p.audience.nodes, p.audience.silent
	reached, names := map[int]bool{}, map[string]bool{}
	for _, c := range p.request.Changes {
		hits, visible := p.hits[entryAddress{c.Namespace, c.Key}]
		for _, i := range hits {
			reached[i], names[p.audience.watches[i].Principal] = true, true
		}
		if visible && len(hits) == 0 && p.principal.Can(events.Admin, c.Namespace, "") {
			shown.Unwatched = append(shown.Unwatched, wire.Unwatched{Namespace: c.Namespace, Key: c.Key})
		}
	}
	shown.Watches = len(reached)
	shown.Principals = append(shown.Principals, slices.Sorted(maps.Keys(names))...)
}
