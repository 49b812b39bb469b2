package million

import (
	"fmt"
	"math/rand/v2"

	"confman/events"
)

// Names of what a history is about.
const (
	Root      = "shops" // every copy is below it
	regions   = 20
	teams     = 100
	reviewers = 8
)

// place is one copy of the repository: its namespace, and how far its story has
// come.
type place struct {
	namespace string
	team      int
	told      int      // chapters
	queue     []change // of the chapter that is being told
	author    string
	request   string // that waits for its approval, or empty
}

// places are as many copies as are asked for: some regions, and the shops in
// them, which inherit what their region has.
func places(n int) []*place {
	all := make([]*place, n)
	for i := range all {
		namespace := fmt.Sprintf("%s/region-%02d", Root, i%regions)
		if i >= regions {
			namespace += fmt.Sprintf("/shop-%04d", i)
		}
		all[i] = &place{namespace: namespace, team: i % teams}
	}
	return all
}

// act is what somebody at a place does next.
type act struct {
	command     events.Command
	actor       string
	correlation string
}

// next goes on with the story: by a direct write, a transaction, or a publish
// request that somebody else approves.
func (p *place) next(s story, rng *rand.Rand, newID func() string) act {
	if p.request != "" {
		return p.approve(rng)
	}
	for len(p.queue) == 0 { // chapters that change no property are passed over
		var c chapter
		if p.told < len(s.chapters) {
			c = s.chapters[p.told]
		} else {
			c = s.after(rng, p.told)
		}
		p.queue, p.author = c.changes, fmt.Sprintf("%s.team-%02d", c.author, p.team)
		p.told++
	}
	a := act{actor: p.author, correlation: fmt.Sprintf("%s@%d", p.namespace, p.told)}
	switch rng.IntN(4) {
	case 0:
		a.command = p.single(p.take(1)[0], a.actor)
	case 1:
		p.request = newID()
		a.command = p.submit(p.take(1+rng.IntN(12)), a.actor)
	default:
		a.command = p.transact(p.take(2+rng.IntN(18)), a.actor)
	}
	return a
}

// take takes changes off the queue.
func (p *place) take(most int) []change {
	n := min(most, len(p.queue))
	taken := p.queue[:n]
	p.queue = p.queue[n:]
	return taken
}

func (p *place) single(c change, actor string) events.Command {
	if c.value == nil {
		return events.DeleteEntry{Namespace: p.namespace, Key: c.key}
	}
	return events.PutEntry{Namespace: p.namespace, Key: c.key, Value: c.value, Actor: actor}
}

func (p *place) transact(changes []change, actor string) events.Command {
	var t events.Transact
	for _, c := range changes {
		switch c := p.single(c, actor).(type) {
		case events.PutEntry:
			t.Set = append(t.Set, c)
		case events.DeleteEntry:
			t.Delete = append(t.Delete, c)
		}
	}
	return t
}

func (p *place) submit(changes []change, actor string) events.Command {
	r := events.SubmitRequest{ID: p.request, Actor: actor, Comment: fmt.Sprintf("chapter %d", p.told)}
	for _, c := range changes {
		s := events.Submitted{Namespace: p.namespace, Key: c.key, Delete: c.value == nil}
		if c.value != nil {
			s.Content = &events.Content{Value: c.value}
		}
		r.Changes = append(r.Changes, s)
	}
	return r
}

func (p *place) approve(rng *rand.Rand) act {
	by := reviewer(rng.IntN(reviewers))
	id := p.request
	p.request = ""
	return act{
		command:     events.ApproveRequest{ID: id, Comment: "seen", By: events.Principal{Name: by, Book: lender{}}},
		actor:       by,
		correlation: "review-of-" + id,
	}
}

func reviewer(i int) string { return fmt.Sprintf("reviewer-%d", i) }

// lender stands for the roles of the present, by which a decision replaces it.
type lender struct{ events.RoleBook }

// reviewersRole lets the reviewers publish everywhere.
func reviewersRole() events.PutRoles {
	var roles events.Roles
	for i := range reviewers {
		roles.Grants = append(roles.Grants, events.RoleGrant{Role: events.Publisher, Principal: reviewer(i)})
	}
	return events.PutRoles{Namespace: Root, Roles: roles, Actor: "confman"}
}
