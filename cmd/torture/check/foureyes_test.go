package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

// tale is a log in the making, of a namespace where two approvals are needed.
type tale struct {
	log          []wire.Event
	transaction  string
	transactions int
}

// together gives the events of a step one transaction.
func (l *tale) together(step func()) {
	l.transactions++
	l.transaction = fmt.Sprint("t", l.transactions)
	step()
	l.transaction = ""
}

func (l *tale) event(actor, kind, request, key string, data any) uint64 {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err) // all of it can be encoded
	}
	e := wire.Event{
		Index: uint64(len(l.log)) + 1, Type: kind, Actor: actor, Request: request, Key: key, Namespace: "app", Transaction: l.transaction, Data: raw,
	}
	l.log = append(l.log, e)
	return e.Index
}

type fields = map[string]any

func (l *tale) saves(actor, key, value string) uint64 {
	return l.event(actor, "draft.saved", "", key, fields{"type": "string", "value": value})
}

// submits asks for the newest drafts of some keys to be published.
func (l *tale) submits(actor, request string, keys ...string) {
	var changes []fields
	for _, key := range keys {
		for _, e := range slices.Backward(l.log) {
			if e.Type == "draft.saved" && e.Key == key {
				changes = append(changes, fields{"namespace": "app", "key": key, "draft": e.Index, "editor": e.Actor})
				break
			}
		}
	}
	l.event(actor, "publish-request.submitted", request, "", fields{"changes": changes})
}

func (l *tale) approves(actor, request string) {
	l.event(actor, "publish-request.approved", request, "", fields{})
}

// changes makes keys live: pairs of key and value.
func (l *tale) changes(actor, request string, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		l.event(actor, "config.updated", request, pairs[i], fields{"type": "string", "value": pairs[i+1], "version": 2})
	}
}

func (l *tale) published(actor, request string, changed int) {
	l.event(actor, "publish-request.published", request, "", fields{"changed": changed})
}

// publishes is the last approval and what follows from it.
func (l *tale) publishes(actor, request string, pairs ...string) {
	l.together(func() {
		l.approves(actor, request)
		l.changes(actor, request, pairs...)
		l.published(actor, request, len(pairs)/2)
	})
}

// reviewed is two drafts on their way up to the first approval of two.
func (l *tale) reviewed() {
	l.saves("ann", "a", "1")
	l.saves("ann", "b", "2")
	l.submits("ann", "R", "a", "b")
	l.approves("pub", "R")
}

func TestTheCheckOfFourEyesTakesWhatIsRight(t *testing.T) {
	l := &tale{}
	l.reviewed()
	l.publishes("ray", "R", "a", "1", "b", "2")
	l.saves("ann", "a", "rejected once")
	l.submits("ann", "S", "a")
	l.approves("pub", "S")
	l.event("ray", "publish-request.rejected", "S", "", fields{})
	l.saves("pub", "a", "3")
	l.saves("ann", "b", "2") // as it is
	l.submits("ann", "T", "a", "b")
	l.approves("ray", "T")
	l.approves("ray", "T")
	l.publishes("zoe", "T", "a", "3")
	l.together(func() {
		l.saves("ann", "c", "4")
		l.event("ann", "publish-request.submitted", "U", "", fields{"changes": []fields{{"namespace": "app", "key": "c", "draft": 0, "editor": "ann"}}})
	})
	l.approves("pub", "U")
	l.event("ann", "publish-request.withdrawn", "U", "", fields{})
	for _, wrong := range FourEyes(l.log, "app", 2) {
		t.Error(wrong)
	}
}

// fault is a tale of what must not be, and what the check has to say of it.
type fault struct {
	story func(*tale)
	says  string
}

// reviewsThatDoNotDo are publications without two approvals by others.
func reviewsThatDoNotDo() map[string]fault {
	return map[string]fault{
		"the submitter approves": {func(l *tale) {
			l.reviewed()
			l.publishes("ann", "R", "a", "1", "b", "2")
		}, "1 of 2 approvals"},
		"an editor approves": {func(l *tale) {
			l.saves("ray", "a", "1")
			l.submits("ann", "R", "a")
			l.approves("pub", "R")
			l.publishes("ray", "R", "a", "1")
		}, "1 of 2 approvals"},
		"one approval is missing": {func(l *tale) {
			l.saves("ann", "a", "1")
			l.submits("ann", "R", "a")
			l.publishes("pub", "R", "a", "1")
		}, "1 of 2 approvals"},
		"one approves twice": {func(l *tale) {
			l.reviewed()
			l.publishes("pub", "R", "a", "1", "b", "2")
		}, "1 of 2 approvals"},
		"an approval comes after the publication": {func(l *tale) {
			l.reviewed()
			l.together(func() { l.changes("ray", "R", "a", "1", "b", "2"); l.published("ray", "R", 2) })
			l.approves("ray", "R")
		}, "published already"},
		"an approval is for another request": {func(l *tale) {
			l.reviewed()
			l.saves("ann", "c", "3")
			l.submits("ann", "S", "c")
			l.approves("ray", "S")
			l.together(func() { l.changes("ray", "R", "a", "1", "b", "2"); l.published("ray", "R", 2) })
		}, "1 of 2 approvals"},
		"an approval comes before the request": {func(l *tale) {
			l.approves("ray", "R")
			l.reviewed()
			l.together(func() { l.changes("ray", "R", "a", "1", "b", "2"); l.published("ray", "R", 2) })
		}, "nobody submitted"},
		"it was rejected": {func(l *tale) {
			l.reviewed()
			l.event("zoe", "publish-request.rejected", "R", "", fields{})
			l.publishes("ray", "R", "a", "1", "b", "2")
		}, "rejected already"},
		"it was withdrawn": {func(l *tale) {
			l.reviewed()
			l.event("ann", "publish-request.withdrawn", "R", "", fields{})
			l.publishes("ray", "R", "a", "1", "b", "2")
		}, "withdrawn already"},
		"the review is bypassed": {func(l *tale) {
			l.reviewed()
			l.together(func() {
				l.event("root", "publish-request.bypassed", "R", "", fields{})
				l.changes("root", "R", "a", "1", "b", "2")
				l.published("root", "R", 2)
			})
		}, "bypassed"},
		"somebody writes directly": {func(l *tale) { l.changes("ann", "", "a", "1") }, "nothing published it"},
		"a key is published that was not reviewed": {func(l *tale) {
			l.reviewed()
			l.publishes("ray", "R", "a", "1", "b", "2", "c", "evil")
		}, "reviewed there: false"},
	}
}

// changesThatMustNotBe are publications of something else than was reviewed, or
// not as a whole.
func changesThatMustNotBe() map[string]fault {
	return map[string]fault{
		"it is published twice": {func(l *tale) {
			l.reviewed()
			l.publishes("ray", "R", "a", "1", "b", "2")
			l.together(func() { l.changes("ray", "R", "a", "1", "b", "2"); l.published("ray", "R", 2) })
		}, "published already"},
		"a key is published twice": {func(l *tale) {
			l.reviewed()
			l.publishes("ray", "R", "a", "1", "a", "1", "b", "2")
		}, "changed there before: true"},
		"a key is left out": {func(l *tale) {
			l.reviewed()
			l.publishes("ray", "R", "a", "1")
		}, "not published with the rest"},
		"a key comes with another transaction": {func(l *tale) {
			l.reviewed()
			l.publishes("ray", "R", "a", "1")
			l.together(func() { l.changes("ray", "R", "b", "2") })
		}, "nothing published it"},
		"something comes in between": {func(l *tale) {
			l.reviewed()
			l.publishes("ray", "R", "a", "1", "b", "2")
			other := l.log[0]
			other.Transaction, other.Key = "", "z"
			l.insert(len(l.log)-2, other)
		}, "torn"},
		"an event is missing": {func(l *tale) {
			l.reviewed()
			l.publishes("ray", "R", "a", "1", "b", "2")
			l.log = slices.Delete(l.log, len(l.log)-2, len(l.log)-1)
		}, "hole"},
		"a draft is edited under review": {func(l *tale) {
			l.reviewed()
			l.saves("ann", "a", "evil")
			l.publishes("ray", "R", "a", "1", "b", "2")
		}, "under review"},
		"a draft is discarded under review": {func(l *tale) {
			l.reviewed()
			l.event("ann", "draft.discarded", "", "a", fields{})
			l.publishes("ray", "R", "a", "1", "b", "2")
		}, "under review"},
		"another value is published": {func(l *tale) {
			l.reviewed()
			l.publishes("ray", "R", "a", "evil", "b", "2")
		}, "what was reviewed is"},
		"an older draft is pinned": {func(l *tale) {
			l.saves("ann", "a", "1")
			l.submits("ann", "R", "a")
			l.insert(1, l.log[0])
			l.approves("pub", "R")
			l.publishes("ray", "R", "a", "1")
		}, "pins the draft 1"},
		"a draft is under two reviews": {func(l *tale) {
			l.reviewed()
			l.submits("ann", "S", "a")
		}, "is under review in R"},
	}
}

func TestTheCheckOfFourEyesCatchesWhatMustNotBe(t *testing.T) {
	tests := reviewsThatDoNotDo()
	maps.Copy(tests, changesThatMustNotBe())
	for name, tt := range tests {
		l := &tale{}
		tt.story(l)
		wrong := fmt.Sprint(FourEyes(l.log, "app", 2))
		if !strings.Contains(wrong, tt.says) {
			t.Errorf("%s: the check says %q, want %q", name, wrong, tt.says)
		}
	}
}

// insert puts an event at a place and counts those after it anew.
func (l *tale) insert(at int, e wire.Event) {
	l.log = slices.Insert(l.log, at, e)
	for i := range l.log {
		l.log[i].Index = uint64(i) + 1
	}
}
