package torture

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// fate is how a passage through review is meant to end.
type fate string

const (
	approved  fate = "approved"
	rejected  fate = "rejected"  // what is submitted is not what is to become live
	withdrawn fate = "withdrawn" // the same
	contested fate = "contested" // approvals and a rejection at once: either wins
)

// passage is one try of a change set: drafts, a request, reviews.
type passage struct {
	*office
	*changeSet
	attempt int
	fate    fate

	id        string
	approvers []string         // those who may approve, in the order in which they do
	third     string           // the reviewer who does not
	hands     []*client.Client // the author, and others who wrote one of the drafts
	edited    bool             // the third is one of them
}

func (p *passage) name(what string) string {
	return fmt.Sprintf("set-%d-%d-%s", p.seq, p.attempt, what)
}

// do settles a step, and remembers it if it is done.
func (p *passage) do(what string, write func(client.Write) error) error {
	err := settle(p.c.t.Context(), p.name(what), write)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, step{p.name(what), write})
	return nil
}

// forbid settles a step that must be refused.
func (p *passage) forbid(what string, as error, write func(client.Write) error) error {
	if err := settle(p.c.t.Context(), p.name(what), write); !errors.Is(err, as) {
		return fmt.Errorf("%s ended with %q: %w was to be expected", what, fmt.Sprint(err), as)
	}
	p.refusal()
	return nil
}

// think takes a moment, so that there is one in which a node can die.
func (p *passage) think() {
	<-time.After(time.Duration(p.rng.IntN(30)) * time.Millisecond)
}

// run returns the state in which the request ended.
func (p *passage) run() (state string, err error) {
	names := slices.Sorted(maps.Keys(p.reviewers))
	p.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	p.approvers, p.third, p.hands = names[:2], names[2], []*client.Client{p.authors[p.author]}
	if err := p.submit(); err != nil {
		return "", err
	}
	for range 2 {
		p.think()
		if err := p.tempt(); err != nil {
			return "", err
		}
	}
	switch p.fate {
	case approved:
		err = p.approve()
	case rejected:
		err = p.reject()
	case withdrawn:
		err = p.withdraw()
	case contested:
		err = p.contest()
	}
	if err != nil {
		return "", err
	}
	state, err = p.state()
	meant := map[fate][]string{
		approved: {wire.RequestPublished}, rejected: {wire.RequestRejected}, withdrawn: {wire.RequestWithdrawn},
		contested: {wire.RequestPublished, wire.RequestRejected},
	}[p.fate]
	if err == nil && !slices.Contains(meant, state) {
		err = fmt.Errorf("request %s is %s", p.id, state)
	}
	return state, err
}

// state reads how the request stands.
func (p *passage) state() (state string, err error) {
	err = settle(p.c.t.Context(), "", func(client.Write) error {
		r, err := p.authors[p.author].Request(p.c.t.Context(), p.id, client.Read{Linearizable: true})
		state = r.State
		return err
	})
	return state, err
}

// content is what a file is to become: something else where it must not become
// live.
func (p *passage) content(f *fileChange) (value json.RawMessage, remove bool) {
	var text string
	switch {
	case p.fate == rejected || p.fate == withdrawn:
		text = fmt.Sprintf("never live: set %d, attempt %d", p.seq, p.attempt)
	case f.content == nil:
		return nil, true
	default:
		text = *f.content
	}
	value, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can be encoded
	}
	return value, false
}

// submit saves drafts and asks for them to be published, the first time now and
// then all in one step.
func (p *passage) submit() error {
	request := wire.NewRequest{Comment: p.name("of ten years")}
	inOneStep := p.attempt == 0 && p.rng.IntN(3) == 0
	for i, f := range p.files {
		change := wire.RequestedChange{Namespace: petclinic, Key: f.path}
		if inOneStep {
			change.Value, change.Delete = p.content(f)
			if !change.Delete {
				change.Type = wire.TypeString
			}
		} else {
			revision, err := p.draft(i, f)
			if err != nil {
				return err
			}
			if p.rng.IntN(2) == 0 {
				change.Revision = revision
			}
		}
		request.Changes = append(request.Changes, change)
	}
	p.think()
	return p.do("submit", func(w client.Write) error {
		r, err := p.authors[p.author].SubmitRequest(p.c.t.Context(), request, w)
		p.id = r.ID
		return err
	})
}

// draft saves what a file is to become, now and then by another hand than the
// author's.
func (p *passage) draft(i int, f *fileChange) (revision uint64, err error) {
	content, remove := p.content(f)
	put := wire.PutDraft{Value: content, Delete: remove, Comment: p.name("draft")}
	if !remove {
		put.Type = wire.TypeString
	}
	hand := p.authors[p.author]
	switch p.rng.IntN(6) {
	case 0:
		hand = p.authors[pick(p.rng, slices.Sorted(maps.Keys(p.authors)))]
	case 1:
		hand, p.edited = p.reviewers[p.third], true
	}
	if hand != p.hands[0] {
		p.hands = append(p.hands, hand)
	}
	err = p.do(fmt.Sprint("draft-", i), func(w client.Write) error {
		d, err := hand.PutDraft(p.c.t.Context(), petclinic, f.path, put, w)
		revision = d.Revision
		return err
	})
	return revision, err
}

func (p *passage) review(reviewer string) error {
	return p.do("approve-"+reviewer, func(w client.Write) error {
		_, err := p.reviewers[reviewer].ApproveRequest(p.c.t.Context(), p.id, "", w)
		return err
	})
}

// approve has both approve, at once or one after the other.
func (p *passage) approve() error {
	if p.rng.IntN(2) == 0 {
		return p.atOnce(func() error { return p.review(p.approvers[0]) }, func() error { return p.review(p.approvers[1]) })
	}
	if err := p.review(p.approvers[0]); err != nil {
		return err
	}
	p.think()
	var again wire.PublishRequest
	err := settle(p.c.t.Context(), p.name("approve-again"), func(w client.Write) (err error) {
		again, err = p.reviewers[p.approvers[0]].ApproveRequest(p.c.t.Context(), p.id, "", w)
		return err
	})
	if err != nil || again.State != wire.RequestPending {
		return fmt.Errorf("%s approves twice: %s, %w", p.approvers[0], again.State, err)
	}
	return p.review(p.approvers[1])
}

// atOnce does several things and returns the first that failed.
func (p *passage) atOnce(all ...func() error) error {
	ended := make(chan error)
	for _, one := range all {
		go func() { ended <- one() }()
	}
	var first error
	for range all {
		if err := <-ended; first == nil {
			first = err
		}
	}
	return first
}

// reject has a reviewer refuse it, now and then when there is an approval.
func (p *passage) reject() error {
	if p.rng.IntN(2) == 0 {
		if err := p.review(p.approvers[0]); err != nil {
			return err
		}
		p.think()
	}
	return p.do("reject", func(w client.Write) error {
		_, err := p.reviewers[p.approvers[1]].RejectRequest(p.c.t.Context(), p.id, "not like this", w)
		return err
	})
}

// withdraw has the author think better of it.
func (p *passage) withdraw() error {
	if p.rng.IntN(2) == 0 {
		if err := p.review(p.approvers[0]); err != nil {
			return err
		}
	}
	return p.do("withdraw", func(w client.Write) error {
		_, err := p.authors[p.author].WithdrawRequest(p.c.t.Context(), p.id, "", w)
		return err
	})
}

// contest has two approve and one reject at once. Who comes too late conflicts.
func (p *passage) contest() error {
	rejects := p.third
	if p.edited {
		rejects = p.approvers[0]
	}
	late := func(act func() error) func() error {
		return func() error {
			if err := act(); !errors.Is(err, client.ErrConflict) {
				return err
			}
			return nil
		}
	}
	return p.atOnce(
		late(func() error { return p.review(p.approvers[0]) }),
		late(func() error { return p.review(p.approvers[1]) }),
		late(func() error {
			return p.do("contest", func(w client.Write) error {
				_, err := p.reviewers[rejects].RejectRequest(p.c.t.Context(), p.id, "wait", w)
				return err
			})
		}),
	)
}

// tempt tries one thing that nobody may do while the request is open.
func (p *passage) tempt() error {
	file, author := p.files[p.rng.IntN(len(p.files))].path, p.authors[p.author]
	what := fmt.Sprint("tempt-", p.rng.Uint32())
	evil := json.RawMessage(`"evil"`)
	type temptation struct {
		as  error
		act func(client.Write) error
	}
	approves := func(by *client.Client) func(client.Write) error {
		return func(w client.Write) error { _, err := by.ApproveRequest(p.c.t.Context(), p.id, "", w); return err }
	}
	all := []temptation{
		{client.ErrForbidden, approves(author)},
		{client.ErrForbidden, approves(p.editor)},
		{client.ErrDraftLocked, func(w client.Write) error {
			_, err := author.PutDraft(p.c.t.Context(), petclinic, file, wire.PutDraft{Value: evil}, w)
			return err
		}},
		{client.ErrDraftLocked, func(w client.Write) error { return author.DiscardDraft(p.c.t.Context(), petclinic, file, w) }},
		{client.ErrDraftLocked, func(w client.Write) error {
			_, err := author.SubmitRequest(p.c.t.Context(), wire.NewRequest{Changes: []wire.RequestedChange{{Namespace: petclinic, Key: file, Value: evil}}}, w)
			return err
		}},
		{client.ErrApprovalRequired, func(w client.Write) error {
			_, err := p.admin.Put(p.c.t.Context(), petclinic, file, wire.PutConfig{Value: evil}, w)
			return err
		}},
		{client.ErrApprovalRequired, func(w client.Write) error {
			_, err := author.Transact(p.c.t.Context(), wire.Transaction{Set: []wire.SetOperation{{Namespace: petclinic, Key: file, Value: evil}}}, w)
			return err
		}},
		{client.ErrForbidden, func(w client.Write) error {
			_, err := p.admin.BypassRequest(p.c.t.Context(), p.id, "in a hurry", w)
			return err
		}},
		{client.ErrForbidden, func(w client.Write) error {
			_, err := p.reviewers[p.third].WithdrawRequest(p.c.t.Context(), p.id, "", w)
			return err
		}},
	}
	for _, hand := range p.hands[1:] {
		all = append(all, temptation{client.ErrForbidden, approves(hand)})
	}
	one := pick(p.rng, all)
	return p.forbid(what, one.as, one.act)
}
