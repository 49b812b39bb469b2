package events

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Standing is how the approvals of an open publish request stand at a moment.
type Standing struct {
	Reviews []Counted  // as the request has them
	Changes []Approved // as the request has them
}

// Counted is whether a review counts: everywhere, in part, or not at all.
type Counted struct {
	Counts bool
	Why    string // it does not, or not everywhere
}

// Approved is how many approvals one change has and needs.
type Approved struct {
	Have, Need int
}

// Complete reports whether every change has its approvals.
func (s Standing) Complete() bool {
	return !slices.ContainsFunc(s.Changes, func(a Approved) bool { return a.Have < a.Need })
}

// Standing judges the approvals of an open request. Only the newest review of
// each reviewer counts; where one rejects, the request is not open any more. now
// is for the expiry of API keys.
func (r Request) Standing(v View, now time.Time) Standing {
	s := Standing{Reviews: make([]Counted, len(r.Reviews)), Changes: make([]Approved, len(r.Changes))}
	for i, c := range r.Changes {
		s.Changes[i].Need = EffectiveSettings(v, c.Namespace).MinApprovers
	}
	basis := r.Basis(v)
	newest := map[string]int{}
	for i, review := range r.Reviews {
		newest[strings.ToLower(review.Reviewer)] = i // issuers may let people choose the case
	}
	for i, review := range r.Reviews {
		switch why := r.disqualified(v, review, now); {
		case newest[strings.ToLower(review.Reviewer)] != i:
			s.Reviews[i].Why = "the reviewer reviewed it again"
		case why != "":
			s.Reviews[i].Why = why
		case review.Basis != basis:
			s.Reviews[i].Why = "what is under review changed since: a live entry or a schema"
		default:
			s.Reviews[i] = r.count(review.bearer(v), s.Changes)
		}
	}
	return s
}

// count adds an approval to the changes that the reviewer may publish.
func (r Request) count(reviewer Principal, changes []Approved) Counted {
	reached := 0
	for i, c := range r.Changes {
		if reviewer.Can(Publisher, c.Namespace, c.Key) {
			changes[i].Have++
			reached++
		}
	}
	switch {
	case reached == 0:
		return Counted{false, "the reviewer lost the role publisher on what it changes"}
	case reached < len(r.Changes):
		return Counted{true, "it counts where the reviewer is publisher, which is not everywhere"}
	}
	return Counted{true, ""}
}

// disqualified says why a review counts nowhere, whatever the reviewer may do;
// "" when it may count.
func (r Request) disqualified(v View, review Review, now time.Time) string {
	if !review.Approved {
		return "it rejects"
	}
	if why := r.ownWork(v, review.Reviewer, review.KeyID); why != "" {
		return why
	}
	if review.KeyID != "" {
		switch k := v.APIKey(review.KeyID); {
		case k.Revoked():
			return "the API key that it came with was revoked"
		case !k.Usable(now):
			return "the API key that it came with expired"
		}
	}
	return ""
}

// ownWork says why somebody is no second pair of eyes; "" for who is.
func (r Request) ownWork(v View, reviewer, keyID string) string {
	if strings.EqualFold(reviewer, r.SubmittedBy) {
		return reviewer + " submitted it, and nobody reviews their own request"
	}
	for _, c := range r.Changes {
		if strings.EqualFold(c.Editor, reviewer) {
			return fmt.Sprintf("%s wrote the draft of %s/%s, and nobody reviews their own change", reviewer, c.Namespace, c.Key)
		}
	}
	if keyID != "" && r.keyOfAuthors(v, v.APIKey(keyID), map[string]bool{}) {
		return "it came with an API key that whoever submitted or wrote it made, or had made with another"
	}
	return ""
}

// keyOfAuthors reports whether an API key comes from whoever submitted or wrote
// the request, be it by way of other keys: who may make API keys must not be able
// to make themselves a second pair of eyes. Keys that take roles do not count:
// only a principal itself, or an admin of everything, who could do anything
// anyway and has to make keys for others, makes those. Nor do keys of whoever is
// admin of everything now. seen are makers looked at.
func (r Request) keyOfAuthors(v View, k APIKey, seen map[string]bool) bool {
	if k.Roles || seen[k.CreatedBy] || administersAll(v, k.CreatedBy) {
		return false
	}
	seen[k.CreatedBy] = true
	if k.CreatedBy == r.SubmittedBy || slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Editor == k.CreatedBy }) {
		return true
	}
	for other := range v.APIKeys("") {
		if other.Principal == k.CreatedBy && r.keyOfAuthors(v, other, seen) {
			return true
		}
	}
	return false
}

// administersAll reports whether a principal is admin of everything: makers of
// keys from before there were roles are known by that only.
func administersAll(v View, principal string) bool {
	for k := range v.APIKeys("") {
		if k.Principal == principal && !k.Revoked() && (Principal{Grants: k.Grants}).Can(Admin, Root, "") {
			return true
		}
	}
	return Principal{Name: principal, Book: v}.Can(Admin, Root, "")
}

// bearer is who gave the review, with the rights of now.
func (r Review) bearer(v View) Principal {
	if r.KeyID != "" {
		return v.APIKey(r.KeyID).Bearer(v)
	}
	return Principal{Name: r.Reviewer, Groups: r.Groups, Book: v}
}

// Basis is a digest of what is under review beside the drafts, which are locked:
// the live entries that would be replaced, and the schemas that hold. An approval
// is for one basis.
func (r Request) Basis(v View) string {
	h := sha256.New()
	for _, c := range r.Changes {
		fmt.Fprintf(h, "%s\x00%s\x00%d\n", c.Namespace, c.Key, v.Entry(c.Namespace, c.Key).Revision)
	}
	for _, n := range r.Namespaces() {
		for p := range Schemas(v, n) {
			fmt.Fprintf(h, "%s\x00%d\n", p.Namespace, p.SchemaMark.Revision)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// open returns a request that is open, and guards it.
func (d *decision) open(id string) (Request, error) {
	r := d.view.Request(id)
	if r.Revision == 0 {
		return r, refuse(ErrConflict, "there is no open publish request %.64s", id)
	}
	d.request = id
	d.holds(Subject{Noun: TheRequest, Name: id}, r.Revision)
	return r, nil
}

// ApproveRequest approves a publish request. The last approval that it needs
// publishes it.
type ApproveRequest struct {
	ID      string
	Comment string
	// Basis is that of what the reviewer has looked at; see [Request.Basis]. Empty:
	// whatever there is now.
	Basis string
	By    Principal
}

func (c ApproveRequest) decide(d *decision) error {
	r, err := d.reviewed(c.ID, c.Comment, c.By)
	if err != nil {
		return err
	}
	if c.Basis != "" && c.Basis != r.Basis(d.view) {
		return refuse(ErrConflict, "what publish request %s would replace, or a schema, changed since you looked at it; look again", c.ID)
	}
	for _, n := range r.Changes {
		d.holds(Subject{TheEntry, n.Namespace, n.Key}, d.view.Entry(n.Namespace, n.Key).Revision)
	}
	for _, review := range r.Reviews {
		if review.KeyID != "" {
			d.holds(Subject{Noun: TheAPIKey, Name: review.KeyID}, d.view.APIKey(review.KeyID).Revision)
		}
	}
	if c.By.KeyID != "" {
		d.holds(Subject{Noun: TheAPIKey, Name: c.By.KeyID}, d.view.APIKey(c.By.KeyID).Revision)
	}
	approval := RequestApproved{Comment: c.Comment, KeyID: c.By.KeyID, Groups: c.By.Groups, Basis: r.Basis(d.view)}
	if !r.countsAlready(d.view, c.By, d.stamp.Time) {
		if len(r.Reviews) >= MaxReviews {
			return refuse(ErrConflict, "publish request %s was reviewed %d times; withdraw it and submit it anew", c.ID, len(r.Reviews))
		}
		d.record(r.place(), "", approval)
		r.Reviews = append(slices.Clone(r.Reviews), Review{
			Reviewer: c.By.Name, KeyID: approval.KeyID, Groups: approval.Groups, Approved: true, Basis: approval.Basis,
		})
	}
	if r.State == Scheduled || !r.Standing(d.view, d.stamp.Time).Complete() {
		return nil
	}
	return d.publishOrSchedule(r)
}

// countsAlready reports whether an approval of this reviewer counts as it is:
// everywhere, or given with the same rights.
func (r Request) countsAlready(v View, by Principal, now time.Time) bool {
	standing := r.Standing(v, now)
	for i, review := range r.Reviews {
		if c := standing.Reviews[i]; review.Reviewer == by.Name && c.Counts {
			return c.Why == "" || review.KeyID == by.KeyID && slices.Equal(review.Groups, by.Groups)
		}
	}
	return false
}

// reviewed is the open request that somebody may review.
func (d *decision) reviewed(id, comment string, by Principal) (Request, error) {
	if err := CheckText("/comment", comment, MaxTextBytes); err != nil {
		return Request{}, err
	}
	r, err := d.open(id)
	if err != nil {
		return r, err
	}
	d.policies()
	by = d.caller(by)
	if why := r.ownWork(d.view, by.Name, by.KeyID); why != "" {
		return r, refuse(ErrForbidden, "publish request %s: %s", id, why)
	}
	if !slices.ContainsFunc(r.Changes, func(c Change) bool { return by.Can(Publisher, c.Namespace, c.Key) }) {
		return r, refuse(ErrForbidden, "%s needs the role publisher on a key of publish request %s", by.Name, id)
	}
	return r, nil
}

// RejectRequest ends a publish request. Its changes are drafts again.
type RejectRequest struct {
	ID      string
	Comment string // required
	By      Principal
}

func (c RejectRequest) decide(d *decision) error {
	if c.Comment == "" {
		return Invalid("/comment", "is empty; say what is wrong with it")
	}
	r, err := d.reviewed(c.ID, c.Comment, c.By)
	if err != nil {
		return err
	}
	d.record(r.place(), "", RequestRejected{c.Comment})
	return nil
}

// WithdrawRequest ends a publish request at the wish of whoever submitted it, or
// of an admin of all that it changes. Its changes are drafts again.
type WithdrawRequest struct {
	ID      string
	Comment string
	By      Principal
}

func (c WithdrawRequest) decide(d *decision) error {
	if err := CheckText("/comment", c.Comment, MaxTextBytes); err != nil {
		return err
	}
	r, err := d.open(c.ID)
	if err != nil {
		return err
	}
	d.policies()
	if c.By.Name != r.SubmittedBy && !r.all(d.caller(c.By), Admin) {
		return refuse(ErrForbidden, "publish request %s is withdrawn by %s, who submitted it, or by an admin of all that it changes", c.ID, r.SubmittedBy)
	}
	d.record(r.place(), "", RequestWithdrawn{c.Comment})
	return nil
}

// all reports whether somebody has a role on all that the request changes.
func (r Request) all(by Principal, role Role) bool {
	return !slices.ContainsFunc(r.Changes, func(c Change) bool { return !by.Can(role, c.Namespace, c.Key) })
}

// caller is who asks, with the roles of the present that is decided on.
func (d *decision) caller(p Principal) Principal {
	if p.Book != nil {
		p.Book = d.view
	}
	return p
}
