package api

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// requestAt shows a publish request as it was as of a history's index, as far as
// the caller may see it today.
func (x *exchange) requestAt(h *projections.History, id string) (shown wire.PublishRequest, err error) {
	at, err := timeOf(h)
	if err != nil {
		return shown, err
	}
	then := x.formerState(h)
	r := then.Request(id)
	if then.err == nil && (r.Revision == 0 || !x.seesRequest(r)) {
		return shown, noRequest(id)
	}
	if then.err == nil {
		shown, err = x.wireRequest(then, r, at)
	}
	return shown, cmp.Or(then.err, err)
}

// wireRequest shows a publish request of a state, at a time, as far as the caller
// may see it.
func (x *exchange) wireRequest(s events.View, r events.Request, at time.Time) (wire.PublishRequest, error) {
	shown := wire.PublishRequest{
		ID: r.ID, State: string(r.State), Changes: []wire.ProposedChange{}, Comment: r.Comment, PublishAt: unlessZero(r.PublishAt),
		SubmittedBy: r.SubmittedBy, SubmittedAt: r.SubmittedAt.UTC(), Reviews: []wire.Review{}, Index: r.Revision,
	}
	if r.State == events.Scheduled {
		shown.DueAt = unlessZero(r.DueAt)
	}
	if r.Source != nil {
		shown.Source = &wire.ChangeSource{Kind: r.Source.Kind, Index: r.Source.Index, Namespace: r.Source.Namespace, Request: r.Source.Request}
	}
	var standing events.Standing
	if r.State.Open() {
		standing, shown.Basis = r.Standing(s, at), r.Basis(s)
	}
	for i, review := range r.Reviews {
		shown.Reviews = append(shown.Reviews, wireReview(r, review, standing, i))
	}
	for i, c := range r.Changes {
		if !x.showsChange(r, c) {
			shown.Partial = true
			continue
		}
		change, err := x.proposed(s, r, c)
		if err != nil {
			return shown, err
		}
		if r.State.Open() {
			change.Approvals, change.MinApprovers = standing.Changes[i].Have, standing.Changes[i].Need
			if change.Approvals < change.MinApprovers {
				shown.Missing = append(shown.Missing, wire.MissingApproval{Namespace: c.Namespace, Key: c.Key, Have: change.Approvals, Need: change.MinApprovers})
			}
		}
		shown.Changes = append(shown.Changes, change)
	}
	if end := r.Resolution; end != nil && !r.State.Open() {
		shown.Resolution = &wire.Resolution{
			State: string(r.State), By: end.By, At: end.At.UTC(), Comment: end.Comment, Bypassed: end.Bypassed, Index: end.Index,
		}
	}
	return shown, nil
}

func wireReview(of events.Request, r events.Review, s events.Standing, i int) wire.Review {
	shown := wire.Review{Reviewer: r.Reviewer, Decision: wire.DecisionRejected, Comment: r.Comment, At: r.At.UTC(), Index: r.Index}
	if r.Approved {
		shown.Decision = wire.DecisionApproved
		shown.Counts = of.State == events.Published && slices.Contains(of.Resolution.ApprovedBy, r.Reviewer)
	}
	if i < len(s.Reviews) {
		shown.Counts, shown.Why = s.Reviews[i].Counts, s.Reviews[i].Why
	}
	return shown
}

// proposed shows one change of a request: what is to become of what. That of a
// closed one is looked up in the history; where that is no longer kept, there are
// no values.
func (x *exchange) proposed(s events.View, r events.Request, c events.Change) (wire.ProposedChange, error) {
	draft, before := s.Draft(c.Namespace, c.Key), s.Entry(c.Namespace, c.Key)
	gone := false // what it was is no longer kept
	if !r.State.Open() {
		var err error
		draft, before, err = x.closedChange(r, c)
		if gone = errors.Is(err, events.ErrCompacted); err != nil && !gone {
			return wire.ProposedChange{}, err
		}
	}
	shown := wire.ProposedChange{
		Namespace: c.Namespace, Key: c.Key, Action: wire.ActionUpdate, Revision: c.Draft, EditedBy: c.Editor,
		Value: []byte(draft.Value.JSON), Type: string(draft.Value.Type), Description: draft.Description, Tags: draft.Tags, Comment: draft.Comment,
	}
	switch {
	case c.Delete:
		shown.Action = wire.ActionDelete
	case gone:
		shown.Action = ""
	case !before.Live():
		shown.Action = wire.ActionCreate
	}
	if before.Live() {
		shown.Previous = &wire.PreviousVersion{Value: []byte(before.Value.JSON), Version: before.Version}
	}
	shown.Diff = differences(before.Value.JSON, draft.Value.JSON)
	return shown, nil
}

// closedChange is the draft of a change of a closed request, and the entry as it
// was then.
func (x *exchange) closedChange(r events.Request, c events.Change) (draft events.Draft, before events.Entry, err error) {
	at := r.Resolution.Index - 1 // the draft still stood
	h, release := x.Reader.History(at)
	defer release()
	if draft, err = h.Draft(c.Namespace, c.Key); err != nil {
		return draft, before, err
	}
	if r.State == events.Published {
		at = r.Resolution.Before
	}
	before, err = entryOf(x.Reader, at, c)
	return draft, before, err
}

func entryOf(reader Reader, at uint64, c events.Change) (events.Entry, error) {
	h, release := reader.History(at)
	defer release()
	return h.Entry(c.Namespace, c.Key)
}
