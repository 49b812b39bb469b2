package events

import (
	"errors"
	"fmt"
	"time"
)

// publishOrSchedule publishes a request that has its approvals, or notes when
// that may be done.
func (d *decision) publishOrSchedule(r Request) error {
	due, why := Opens(d.view, r.Namespaces(), latest(r.PublishAt, d.stamp.Time))
	if due.After(d.stamp.Time) {
		d.record(r.place(), "", RequestScheduled{due, why})
		return nil
	}
	return d.publish(r)
}

// Due reports whether a request is to be published by the cluster: it is
// scheduled, and its time has come, or what made it wait longer than it asked to
// has gone.
func (r Request) Due(v PolicyView, now time.Time) bool {
	if r.State != Scheduled || r.PublishAt.After(now) {
		return false
	}
	if !r.DueAt.After(now) {
		return true
	}
	next, _ := Opens(v, r.Namespaces(), now)
	return !next.After(now)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// publish records the changes of a request and that they are published. The
// schemas are judged anew.
func (d *decision) publish(r Request) error {
	d.mandate = published
	before := len(d.events)
	for _, c := range r.Changes {
		draft := d.view.Draft(c.Namespace, c.Key)
		d.holds(Subject{TheDraft, c.Namespace, c.Key}, draft.Revision)
		if draft.Saved != c.Draft || draft.Request != r.ID {
			return refuse(ErrConflict, "the draft of %s/%s is not the one that was submitted", c.Namespace, c.Key)
		}
		now := d.view.Entry(c.Namespace, c.Key)
		now.Namespace, now.Key = c.Namespace, c.Key
		d.holds(Subject{TheEntry, c.Namespace, c.Key}, now.Revision)
		switch {
		case !draft.Delete:
			d.put(now, draft.wants(), comment(draft.Comment, r.Comment), r.SubmittedBy, c.Source)
		case now.Live():
			d.remove(now, comment(draft.Comment, r.Comment), c.Source)
		}
	}
	d.record(r.place(), "", RequestPublished{len(d.events) - before, r.approvedBy(d.view, d.stamp.Time)})
	return d.oversee()
}

// approvedBy are the reviewers whose approvals count.
func (r Request) approvedBy(v View, now time.Time) (reviewers []string) {
	for i, c := range r.Standing(v, now).Reviews {
		if c.Counts {
			reviewers = append(reviewers, r.Reviews[i].Reviewer)
		}
	}
	return reviewers
}

func comment(own, whole string) string {
	if own != "" {
		return own
	}
	return whole
}

// BypassRequest publishes a request without the approvals that it needs, and in
// spite of freezes. Admins of all that it changes may, where the settings let
// them.
type BypassRequest struct {
	ID      string
	Comment string // the reason; required
	By      Principal
}

func (c BypassRequest) decide(d *decision) error {
	if c.Comment == "" {
		return Invalid("/comment", "is empty; the reason for a bypass is on record for good")
	}
	if err := CheckText("/comment", c.Comment, MaxTextBytes); err != nil {
		return err
	}
	r, err := d.open(c.ID)
	if err != nil {
		return err
	}
	d.policies()
	by := d.caller(c.By)
	for _, n := range r.Changes {
		if !by.Can(Admin, n.Namespace, n.Key) {
			return refuse(ErrForbidden, "%s needs the role admin on %s/%s to bypass its review", c.By.Name, n.Namespace, n.Key)
		}
		if !EffectiveSettings(d.view, n.Namespace).AllowBypass {
			return refuse(ErrForbidden, "the settings of namespace %s do not allow a bypass (allowBypass)", n.Namespace)
		}
	}
	d.record(r.place(), "", RequestBypassed{c.Comment})
	return d.publish(r)
}

// PublishDue publishes a scheduled request whose time has come. What must not be
// published any more is rejected, with the reason; what is due but frozen waits
// on. One that is not due stays as it is.
type PublishDue struct {
	ID string
}

func (c PublishDue) decide(d *decision) error {
	r, err := d.open(c.ID)
	if err != nil {
		return err
	}
	d.policies()
	if !r.Due(d.view, d.stamp.Time) {
		return nil
	}
	for _, n := range r.Changes {
		d.holds(Subject{TheEntry, n.Namespace, n.Key}, d.view.Entry(n.Namespace, n.Key).Revision)
	}
	for _, review := range r.Reviews {
		if review.KeyID != "" {
			d.holds(Subject{Noun: TheAPIKey, Name: review.KeyID}, d.view.APIKey(review.KeyID).Revision)
		}
	}
	if reason := r.lacking(d.view, d.stamp.Time); reason != "" {
		d.record(r.place(), "", RequestRejected{"not published when it was due: " + reason})
		return nil
	}
	guards := d.guards
	if err = d.publishOrSchedule(r); err == nil {
		_, err = d.proposal() // or else it would be too large for ever
	}
	var refused *Refusal
	if errors.As(err, &refused) {
		d.events, d.overseen, d.mandate = nil, 0, direct
		if errors.Is(err, ErrTooLarge) {
			d.guards = guards // the others alone may be too much
		}
		d.record(r.place(), "", RequestRejected{clip("not published when it was due: "+refused.Error(), MaxTextBytes)})
		return nil
	}
	return err
}

// lacking says which approvals a request that had them all lacks now, and why.
func (r Request) lacking(v View, now time.Time) string {
	s := r.Standing(v, now)
	if s.Complete() {
		return ""
	}
	for i, a := range s.Changes {
		if a.Have >= a.Need {
			continue
		}
		why := ""
		for j, c := range s.Reviews {
			if !c.Counts && r.Reviews[j].Approved {
				why = fmt.Sprintf("; the approval of %s does not count: %s", r.Reviews[j].Reviewer, c.Why)
			}
		}
		return fmt.Sprintf("%s/%s has %d of %d approvals%s", r.Changes[i].Namespace, r.Changes[i].Key, a.Have, a.Need, why)
	}
	return ""
}

// clip shortens a text to so many bytes, at a character.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && text[most]&0xc0 == 0x80 {
		most--
	}
	return text[:most]
}
