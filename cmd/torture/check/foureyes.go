package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"confman/api/wire"
)

// fourEyes reads a log of events and says where something became live in a
// namespace without enough approvals by others. It knows the events only, none
// of the rules that made them.
type fourEyes struct {
	namespace string
	approvers int

	drafts   map[string]wire.Event // by key: the event that saved the draft that there is
	live     map[string]string     // by key: type and value
	requests map[string]*request
	locked   map[string]string // by key: the open request
	wrong    []string
}

// proposal is a publish request as the log tells of it.
type request struct {
	by        string
	changes   map[string]wire.Event // by key: the event that saved the pinned draft
	approvals []string              // reviewers, each once
	closed    string                // the kind of the event that closed it
}

// told is what the data of the events may say, as far as it matters here.
type told struct {
	Type    string          `json:"type"`
	Value   json.RawMessage `json:"value"`
	Delete  bool            `json:"delete"`
	Changed int             `json:"changed"`
	Changes []struct {
		Namespace string `json:"namespace"`
		Key       string `json:"key"`
		Draft     uint64 `json:"draft"` // 0: the one saved in the same transaction
		Editor    string `json:"editor"`
		Delete    bool   `json:"delete"`
	} `json:"changes"`
}

func (f *fourEyes) tell(e wire.Event) (data told) {
	if err := json.Unmarshal(e.Data, &data); err != nil && len(e.Data) > 0 {
		f.deviates(e, "its data: %v", err)
	}
	return data
}

// content is what a draft asks for, or what a change made: type and value, empty
// for a deletion.
func (d told) content() string {
	if d.Delete || len(d.Value) == 0 {
		return ""
	}
	return d.Type + " " + string(d.Value)
}

// FourEyes is C8: it returns what deviates in a log, which begins with event 1:
// what became live in the namespace although it had fewer than so many approvals by
// others than its submitter and its editors, not as it was reviewed, not once,
// or not as a whole.
func FourEyes(log []wire.Event, namespace string, approvers int) []Finding {
	f := &fourEyes{
		namespace: namespace, approvers: approvers, drafts: map[string]wire.Event{}, live: map[string]string{},
		requests: map[string]*request{}, locked: map[string]string{},
	}
	seen := map[string]bool{}
	for len(log) > 0 {
		block := log[:1]
		for id := log[0].Transaction; id != "" && len(block) < len(log) && log[len(block)].Transaction == id; {
			block = log[:len(block)+1]
		}
		if id := block[0].Transaction; id != "" && seen[id] {
			f.deviates(block[0], "its transaction %s is torn", id)
		}
		seen[block[0].Transaction] = true
		f.transaction(block)
		log = log[len(block):]
	}
	return findings("C8", f.wrong)
}

func (f *fourEyes) deviates(e wire.Event, format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf("event %d, %s %s by %s: ", e.Index, e.Type, e.Key, e.Actor)+fmt.Sprintf(format, args...))
}

// transaction follows events that became true together.
func (f *fourEyes) transaction(block []wire.Event) {
	var changes []wire.Event
	for i, e := range block {
		if i > 0 && e.Index != block[i-1].Index+1 {
			f.deviates(e, "its transaction has a hole before it")
		}
		switch data := f.tell(e); {
		case strings.HasPrefix(e.Type, "publish-request."):
			f.requested(e, data, changes)
			if e.Type == "publish-request.published" {
				changes = nil
			}
		case e.Namespace != f.namespace:
		case strings.HasPrefix(e.Type, "draft."):
			if by := f.locked[e.Key]; by != "" {
				f.deviates(e, "the draft is under review in %s", by)
			}
			f.drafts[e.Key] = e
			if e.Type == "draft.discarded" {
				delete(f.drafts, e.Key)
			}
		case strings.HasPrefix(e.Type, "config."):
			changes = append(changes, e)
		}
	}
	for _, e := range changes {
		f.deviates(e, "nothing published it")
		f.live[e.Key] = f.tell(e).content()
	}
}

// requested follows an event about a publish request. changes are those before it
// in its transaction.
func (f *fourEyes) requested(e wire.Event, data told, changes []wire.Event) {
	p, verb := f.requests[e.Request], strings.TrimPrefix(e.Type, "publish-request.")
	switch {
	case verb == "submitted" && p != nil:
		f.deviates(e, "it was submitted before")
		return
	case verb == "submitted":
		f.submitted(e, data)
		return
	case p == nil:
		f.deviates(e, "nobody submitted %s", e.Request)
		return
	case p.closed != "":
		f.deviates(e, "it was %s already", p.closed)
		return
	}
	switch verb {
	case "approved":
		if !slices.Contains(p.approvals, e.Actor) {
			p.approvals = append(p.approvals, e.Actor)
		}
		return
	case "scheduled":
		return
	case "published":
		f.published(e, data, p, changes)
	case "bypassed":
		f.deviates(e, "nothing may be bypassed here")
		return
	}
	p.closed = verb
	for key := range p.changes {
		delete(f.locked, key)
		if verb == "published" {
			delete(f.drafts, key)
		}
	}
}

// submitted pins the drafts of a request.
func (f *fourEyes) submitted(e wire.Event, data told) {
	p := &request{by: e.Actor, changes: map[string]wire.Event{}}
	f.requests[e.Request] = p
	for _, c := range data.Changes {
		if c.Namespace != f.namespace {
			continue
		}
		draft, there := f.drafts[c.Key]
		inStep := c.Draft == 0 && draft.Transaction == e.Transaction && e.Transaction != ""
		if !there || draft.Index != c.Draft && !inStep || draft.Actor != c.Editor || f.tell(draft).Delete != c.Delete {
			f.deviates(e, "pins the draft %d of %s by %s, there is %d by %s", c.Draft, c.Key, c.Editor, draft.Index, draft.Actor)
		}
		if by := f.locked[c.Key]; by != "" {
			f.deviates(e, "%s is under review in %s", c.Key, by)
		}
		p.changes[c.Key], f.locked[c.Key] = draft, e.Request
	}
}

// published holds the changes that were published against what was reviewed.
func (f *fourEyes) published(e wire.Event, data told, p *request, changes []wire.Event) {
	own := []string{p.by}
	for _, draft := range p.changes {
		own = append(own, draft.Actor)
	}
	others := slices.DeleteFunc(slices.Clone(p.approvals), func(reviewer string) bool { return slices.Contains(own, reviewer) })
	if len(others) < f.approvers {
		f.deviates(e, "approved by %q, written by %q: %d of %d approvals by others", p.approvals, own, len(others), f.approvers)
	}
	if data.Changed != len(changes) {
		f.deviates(e, "says that it changed %d keys, in its transaction are %d", data.Changed, len(changes))
	}
	done := map[string]bool{}
	for i, c := range changes {
		draft, reviewed := p.changes[c.Key]
		if c.Index != e.Index-uint64(len(changes)-i) {
			f.deviates(c, "does not stand right before the event that publishes it, %d", e.Index)
		}
		if c.Request != e.Request || !reviewed || done[c.Key] {
			f.deviates(c, "is published with %s, is of %q, and was reviewed there: %v; changed there before: %v", e.Request, c.Request, reviewed, done[c.Key])
		}
		got, want := f.tell(c), f.tell(draft)
		if got.content() != want.content() || (c.Type == "config.deleted") != want.Delete {
			f.deviates(c, "is %.60q, what was reviewed is %.60q", got.content(), want.content())
		}
		done[c.Key], f.live[c.Key] = true, got.content()
	}
	for key, draft := range p.changes {
		if want := f.tell(draft).content(); !done[key] && f.live[key] != want {
			f.deviates(e, "%s was reviewed and not published with the rest: it is %.60q, not %.60q", key, f.live[key], want)
		}
	}
}
