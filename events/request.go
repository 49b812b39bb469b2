package events

import (
	"fmt"
	"time"
)

// RequestState is where a publish request stands.
type RequestState string

// The states of a publish request. The first two are open.
const (
	PendingReview RequestState = "pending_review"
	Scheduled     RequestState = "scheduled" // approved; the cluster publishes it when it is due
	Published     RequestState = "published"
	Rejected      RequestState = "rejected"
	Withdrawn     RequestState = "withdrawn"
)

// Open reports whether a request may still be published.
func (s RequestState) Open() bool { return s == PendingReview || s == Scheduled }

// Request is a set of changes on its way to being published, as one.
type Request struct {
	ID          string        `json:"id"`
	State       RequestState  `json:"state"`
	Changes     []Change      `json:"changes"`
	Comment     string        `json:"comment,omitzero"`
	PublishAt   time.Time     `json:"publishAt,omitzero"` // zero: with the last approval
	DueAt       time.Time     `json:"dueAt,omitzero"`     // of a scheduled one
	Source      *ChangeSource `json:"source,omitzero"`
	SubmittedBy string        `json:"submittedBy"`
	SubmittedAt time.Time     `json:"submittedAt"`
	Submitted   uint64        `json:"submitted"` // index of the event that submitted it
	Reviews     []Review      `json:"reviews,omitzero"`
	Resolution  *Resolution   `json:"resolution,omitzero"` // of one that is not open any more
	Revision    uint64        `json:"revision"`
}

// Change is one key of a publish request.
type Change struct {
	Namespace string       `json:"namespace"`
	Key       string       `json:"key"`
	Draft     uint64       `json:"draft"`  // the draft's Saved, pinned
	Editor    string       `json:"editor"` // who saved that
	Delete    bool         `json:"delete,omitzero"`
	Source    *EntrySource `json:"source,omitzero"` // of a rollback
}

// ChangeSource is where the changes of a request come from, when it is not people
// who wrote them.
type ChangeSource struct {
	Kind      string `json:"kind"` // "rollback", "revert", "promotion"
	Index     uint64 `json:"index,omitzero"`
	Namespace string `json:"namespace,omitzero"` // promoted from
	Request   string `json:"request,omitzero"`   // rolled back or reverted
}

// Review is one principal's word on a publish request.
type Review struct {
	Reviewer string    `json:"reviewer"`
	KeyID    string    `json:"keyId,omitzero"` // the API key it came with
	Groups   []string  `json:"groups,omitzero"`
	Approved bool      `json:"approved"`
	Comment  string    `json:"comment,omitzero"`
	At       time.Time `json:"at"`
	Index    uint64    `json:"index"`
	// Basis is a digest of what was under review: see [Basis].
	Basis string `json:"basis,omitzero"`
}

// Resolution is how a publish request ended.
type Resolution struct {
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Comment  string    `json:"comment,omitzero"`
	Bypassed bool      `json:"bypassed,omitzero"`
	Before   uint64    `json:"before,omitzero"` // of a published one: the index before its first change
	// ApprovedBy are the reviewers whose approvals counted when it was published.
	ApprovedBy []string `json:"approvedBy,omitzero"`
	Index      uint64   `json:"index"`
}

// MaxChanges is how many keys one publish request may change.
const MaxChanges = 1000

// MaxReviews is how many reviews one publish request takes, those that count no
// more included.
const MaxReviews = 200

// RequestSubmitted begins a publish request and locks its drafts.
type RequestSubmitted struct {
	Changes   []Change      `json:"changes"`
	Comment   string        `json:"comment,omitzero"`
	PublishAt time.Time     `json:"publishAt,omitzero"`
	Source    *ChangeSource `json:"source,omitzero"`
}

// RequestApproved is an approval.
type RequestApproved struct {
	Comment string   `json:"comment,omitzero"`
	KeyID   string   `json:"keyId,omitzero"`
	Groups  []string `json:"groups,omitzero"`
	Basis   string   `json:"basis"`
}

// RequestRejected ends a publish request; its changes are drafts again.
type RequestRejected struct {
	Comment string `json:"comment,omitzero"`
}

// RequestWithdrawn is RequestRejected by whoever submitted it.
type RequestWithdrawn struct {
	Comment string `json:"comment,omitzero"`
}

// RequestScheduled says that a publish request has its approvals and when the
// cluster publishes it.
type RequestScheduled struct {
	DueAt time.Time `json:"dueAt"`
	Why   string    `json:"why,omitzero"` // it is not published now, nor when it asked to be
}

// RequestPublished ends a publish request whose changes are the events just
// before. Its drafts are gone.
type RequestPublished struct {
	Changed int `json:"changed"` // how many events these are
	// ApprovedBy are the reviewers whose approvals counted.
	ApprovedBy []string `json:"approvedBy,omitzero"`
}

// RequestBypassed says that a publish request is published without the approvals
// that it needs, and why.
type RequestBypassed struct {
	Comment string `json:"comment"`
}

// Kind is "publish-request.submitted".
func (RequestSubmitted) Kind() Kind { return "publish-request.submitted" }

// Kind is "publish-request.approved".
func (RequestApproved) Kind() Kind { return "publish-request.approved" }

// Kind is "publish-request.rejected".
func (RequestRejected) Kind() Kind { return "publish-request.rejected" }

// Kind is "publish-request.withdrawn".
func (RequestWithdrawn) Kind() Kind { return "publish-request.withdrawn" }

// Kind is "publish-request.scheduled".
func (RequestScheduled) Kind() Kind { return "publish-request.scheduled" }

// Kind is "publish-request.published".
func (RequestPublished) Kind() Kind { return "publish-request.published" }

// Kind is "publish-request.bypassed".
func (RequestBypassed) Kind() Kind { return "publish-request.bypassed" }

// SubmitRequest asks for drafts to be published.
type SubmitRequest struct {
	ID        string // a ULID
	Changes   []Submitted
	Comment   string
	PublishAt time.Time
	Source    *ChangeSource
	Actor     string
}

// Submitted is one key of a SubmitRequest. With content, or Delete, its draft is
// saved in the same step.
type Submitted struct {
	Namespace string
	Key       string
	Draft     uint64 // the draft's Saved that the submitter knows; 0: whatever it is
	Content   *Content
	Delete    bool
	Source    *EntrySource
}

func (c SubmitRequest) decide(d *decision) error {
	if err := c.check(); err != nil {
		return err
	}
	if d.view.Request(c.ID).Revision > 0 {
		return refuse(ErrConflict, "there is a publish request %s already", c.ID)
	}
	r := Request{ID: c.ID, SubmittedBy: c.Actor}
	var edits []edit
	size := 0 // of the values, before and after
	d.request = c.ID
	seen := map[Subject]bool{}
	for i, s := range c.Changes {
		where := fmt.Sprintf("/changes/%d", i)
		subject := Subject{TheDraft, s.Namespace, s.Key}
		if seen[subject] {
			return Invalid(where, "changes %s/%s, which another change of the request changes too", s.Namespace, s.Key)
		}
		seen[subject] = true
		change, e, err := d.submitted(s, c.Actor)
		if err != nil {
			return at(where, err)
		}
		r.Changes = append(r.Changes, change)
		edits = append(edits, e)
		if size += len(d.view.Entry(s.Namespace, s.Key).Value.JSON); e.value != nil {
			size += len(e.value.JSON)
		}
	}
	if most := d.rules.maxProposalBytes(); size > most {
		return refuse(ErrTooLarge, "the values of the request, and those that they replace, have %d bytes, at most %d can be published at once; make several of it", size, most)
	}
	if err := d.judge(edits); err != nil {
		return err
	}
	d.policies()
	d.holds(Subject{Noun: TheRequest, Name: c.ID}, 0)
	d.record(r.place(), "", RequestSubmitted{r.Changes, c.Comment, c.PublishAt, c.Source})
	return nil
}

func (c SubmitRequest) check() error {
	if len(c.Changes) == 0 {
		return Invalid("/changes", "is empty; name the drafts to publish")
	}
	if n := len(c.Changes); n > MaxChanges {
		return refuse(ErrTooLarge, "the request has %d changes, at most %d are allowed", n, MaxChanges)
	}
	if err := checkTime("/publishAt", c.PublishAt); err != nil {
		return err
	}
	return CheckText("/comment", c.Comment, MaxTextBytes)
}

// submitted pins, or saves, the draft of one key.
func (d *decision) submitted(s Submitted, actor string) (c Change, e edit, err error) {
	if err := checkNames(s.Namespace, s.Key); err != nil {
		return c, e, err
	}
	draft := d.view.Draft(s.Namespace, s.Key)
	if err := draft.unlocked(); err != nil {
		return c, e, err
	}
	if s.Draft != 0 && draft.Saved != s.Draft {
		return c, e, refuse(ErrConflict, "the draft of %s/%s moved: it is at revision %d, not %d; look at it again", s.Namespace, s.Key, draft.Saved, s.Draft)
	}
	d.holds(Subject{TheDraft, s.Namespace, s.Key}, draft.Revision)
	d.holds(Subject{TheEntry, s.Namespace, s.Key}, d.view.Entry(s.Namespace, s.Key).Revision)
	switch {
	case s.Content != nil || s.Delete:
		content := Content{}
		if s.Content != nil {
			content = *s.Content
		}
		if draft.Exists() && draft.UpdatedBy != actor && s.Draft == 0 {
			return c, e, refuse(ErrConflict, "%s/%s has a draft by %s; have it published or discarded first, or give its revision, %d, to replace it", s.Namespace, s.Key, draft.UpdatedBy, draft.Saved)
		}
		if draft, err = d.draft(SaveDraft{Namespace: s.Namespace, Key: s.Key, Content: content, Delete: s.Delete, Actor: actor}, draft); err != nil {
			return c, e, err
		}
	case !draft.Exists():
		return c, e, refuse(ErrNotFound, "%s/%s has no draft; save one, or give its value", s.Namespace, s.Key)
	}
	if draft.Delete && !d.view.Entry(s.Namespace, s.Key).Live() {
		return c, e, refuse(ErrConflict, "%s/%s does not exist any more, so there is nothing to delete", s.Namespace, s.Key)
	}
	return Change{s.Namespace, s.Key, draft.Saved, draft.UpdatedBy, draft.Delete, s.Source}, draft.edit(), nil
}

func (d Draft) edit() edit {
	if d.Delete {
		return edit{d.Namespace, d.Key, nil}
	}
	return edit{d.Namespace, d.Key, &d.Value}
}

// place is the namespace that events about the request are about: the nearest
// above all that it changes; empty where that is the root.
func (r Request) place() string {
	place := r.Changes[0].Namespace
	for _, c := range r.Changes[1:] {
		for place != Root && !Within(c.Namespace, place) {
			place, _ = parent(place)
		}
	}
	if place == Root {
		return ""
	}
	return place
}

// Namespaces are those that the request changes, each once, in its order.
func (r Request) Namespaces() (namespaces []string) {
	seen := map[string]bool{}
	for _, c := range r.Changes {
		if !seen[c.Namespace] {
			seen[c.Namespace] = true
			namespaces = append(namespaces, c.Namespace)
		}
	}
	return namespaces
}

// Fold applies an event about the request, whose record has this index and time.
func (r *Request) Fold(index uint64, at time.Time, e Event) {
	r.Revision = index
	resolve := func(state RequestState, comment string) {
		bypassed := r.Resolution != nil && r.Resolution.Bypassed
		if bypassed {
			comment = r.Resolution.Comment
		}
		r.State = state
		r.Resolution = &Resolution{By: e.Actor, At: at, Comment: comment, Bypassed: bypassed, Index: index}
	}
	switch d := e.Data.(type) {
	case RequestSubmitted:
		*r = Request{
			ID: e.Request, State: PendingReview, Changes: d.Changes, Comment: d.Comment, PublishAt: d.PublishAt, Source: d.Source,
			SubmittedBy: e.Actor, SubmittedAt: at, Submitted: index, Revision: index,
		}
	case RequestApproved:
		r.Reviews = append(r.Reviews[:len(r.Reviews):len(r.Reviews)], Review{
			Reviewer: e.Actor, KeyID: d.KeyID, Groups: d.Groups, Approved: true, Comment: d.Comment, At: at, Index: index, Basis: d.Basis,
		})
	case RequestScheduled:
		r.State, r.DueAt = Scheduled, d.DueAt
	case RequestBypassed:
		r.Resolution = &Resolution{By: e.Actor, At: at, Comment: d.Comment, Bypassed: true, Index: index}
	case RequestRejected:
		r.Reviews = append(r.Reviews[:len(r.Reviews):len(r.Reviews)], Review{Reviewer: e.Actor, Comment: d.Comment, At: at, Index: index})
		resolve(Rejected, d.Comment)
	case RequestWithdrawn:
		resolve(Withdrawn, d.Comment)
	case RequestPublished:
		resolve(Published, "")
		r.Resolution.Before, r.Resolution.ApprovedBy = index-1-uint64(d.Changed), d.ApprovedBy
	}
}
