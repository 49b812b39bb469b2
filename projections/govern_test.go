package projections_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"confman/events"
	"confman/projections"
)

// simSchemas are schemas with, beside each, what it says of every key by itself.
var simSchemas = []struct{ document, alone string }{
	{`{"properties":{"x":{"type":"integer"}}}`, `{"properties":{"x":{"type":"integer"}}}`},
	{`{"properties":{"x":{"type":"string"},"y":{"const":2}}}`, `{"properties":{"x":{"type":"string"},"y":{"const":2}}}`},
	{`{"required":["x"]}`, `true`},
	{`{"maxProperties":2,"properties":{"x":{"type":"string"}}}`, `{"properties":{"x":{"type":"string"}}}`},
	{`{"properties":{"y":{"x-confman-immutable":true}}}`, `true`},
}

var simGroups = []string{"sre", "dev"}

// beginGoverned makes the history one in which everybody may do something.
func (s *sim) beginGoverned() {
	s.governed, s.ledger = true, newLedger()
	if s.rng.IntN(2) == 0 { // they get in each other's way
		s.spaces, s.keys = simSpaces[:2:2], simKeys[:2]
	}
	first := []events.Command{
		events.RaiseLevel{Level: 3},
		events.PutRoles{Namespace: "/", Roles: events.Roles{Grants: []events.RoleGrant{
			{Role: events.Admin, Principal: "ann"},
			{Role: events.Publisher, Principal: "bob"},
			{Role: events.Publisher, Principal: "eve"},
			{Role: events.Admin, Principal: "gil"},
			{Role: events.Publisher, Group: "sre"},
		}}, Actor: "ann"},
		events.PutSettings{Namespace: "/", Settings: events.Settings{AllowBypass: new(true), MinApprovers: new(1 + s.rng.IntN(2))}, Actor: "ann"},
	}
	root := events.Principal{Name: "ann", Grants: []events.Grant{{Namespace: "/", Role: events.Admin}}}
	for i, who := range []string{"ci", "bot", "cd"} {
		first = append(first, events.CreateKey{
			ID: fmt.Sprint("key", 10+i), Name: who, Digest: who, Grants: []events.Grant{{Namespace: "/", Role: events.Publisher}}, By: root,
		})
	}
	for _, c := range first {
		stamp := events.Stamp{Time: s.now, Actor: "ann"}
		p, err := events.Rules{}.Decide(s.newest(), c, stamp)
		if err != nil {
			s.Fatal(err)
		}
		s.queue = []attempt{{c, stamp, p, s.newest()}}
		for len(s.queue) > 0 {
			s.commit()
		}
	}
	for i := range s.proposers {
		s.proposers[i] = s.newest()
	}
}

// somebody is the stamp's actor, as one of the ways in makes it known: by the
// roles that namespaces give, with groups, or with an API key.
func (s *sim) somebody(on *projections.State, stamp *events.Stamp) events.Principal {
	switch s.rng.IntN(4) {
	case 0, 1:
		if k := s.usableKey(on, stamp.Time); k.Revision > 0 {
			stamp.Actor = k.Principal
			return k.Bearer(on)
		}
	case 2:
		return events.Principal{Name: stamp.Actor, Groups: simGroups[:1+s.rng.IntN(2)], Book: on}
	}
	return events.Principal{Name: stamp.Actor, Book: on}
}

// usableKey is some API key, the zero value if there is none.
func (s *sim) usableKey(on *projections.State, now time.Time) (k events.APIKey) {
	n := 0
	for other := range on.APIKeys("") {
		if other.Usable(now) {
			if n++; s.rng.IntN(n) == 0 {
				k = other
			}
		}
	}
	return k
}

// govern is a command of governed change.
func (s *sim) govern(on *projections.State, stamp *events.Stamp) events.Command {
	if s.rng.IntN(2) == 0 {
		stamp.Actor = pick(s.rng, []string{"ann", "bob", "eve"})
	}
	ns, key := pick(s.rng, s.spaces), pick(s.rng, s.keys)
	place := pick(s.rng, append(s.spaces, events.Root))
	switch n := s.rng.IntN(100); {
	case n < 22:
		return events.SaveDraft{Namespace: ns, Key: key, Content: s.content(), Delete: false, Actor: stamp.Actor}
	case n < 25:
		return events.SaveDraft{Namespace: ns, Key: key, Delete: true, Actor: stamp.Actor}
	case n < 28:
		return events.DiscardDraft{Namespace: ns, Key: key}
	case n < 45:
		return s.submit(on, stamp)
	case n < 76:
		return s.decide(on, stamp)
	case n < 78:
		return events.PutRoles{Namespace: place, Roles: s.roles(), Actor: stamp.Actor}
	case n < 81:
		return events.PutSchema{Namespace: place, Schema: s.schema(), Force: s.rng.IntN(3) == 0, Actor: stamp.Actor}
	case n < 85:
		return events.PutSettings{Namespace: place, Settings: s.settings(), Actor: stamp.Actor}
	case n < 88:
		return s.apiKey(on, stamp)
	case n < 92:
		return s.restore(on, stamp)
	default:
		return s.webhook(on)
	}
}

func (s *sim) content() events.Content {
	return events.Content{Value: []byte(pick(s.rng, simValues))}
}

func (s *sim) submit(on *projections.State, stamp *events.Stamp) events.SubmitRequest {
	c := events.SubmitRequest{ID: s.requestID(), Actor: stamp.Actor}
	if s.rng.IntN(2) == 0 {
		c.PublishAt = s.now.Add(time.Duration(s.rng.IntN(600)) * time.Second)
	}
	for _, ns := range simSpaces {
		for d := range on.Drafts(ns) {
			if s.rng.IntN(3) > 0 && (d.Request == "" || s.rng.IntN(9) == 0) {
				change := events.Submitted{Namespace: ns, Key: d.Key}
				if s.rng.IntN(2) == 0 {
					change.Draft = d.Saved
				}
				c.Changes = append(c.Changes, change)
			}
		}
	}
	if len(c.Changes) == 0 || s.rng.IntN(4) == 0 {
		content := s.content()
		c.Changes = append(c.Changes, events.Submitted{Namespace: pick(s.rng, s.spaces), Key: pick(s.rng, s.keys), Content: &content})
	}
	return c
}

func (s *sim) requestID() string {
	s.requests++
	return fmt.Sprintf("r%04d", s.requests)
}

// anew is a command that is asked for again: whoever takes it makes an ID of its
// own.
func (s *sim) anew(c events.Command) events.Command {
	switch c := c.(type) {
	case events.SubmitRequest:
		c.ID = s.requestID()
		return c
	case events.Restore:
		c.Request = s.requestID()
		return c
	}
	return c
}

// decide is what somebody says of a publish request that is open.
func (s *sim) decide(on *projections.State, stamp *events.Stamp) events.Command {
	var open []events.Request
	for r := range on.Requests("") {
		open = append(open, r)
	}
	if len(open) == 0 {
		return s.submit(on, stamp)
	}
	r := pick(s.rng, open)
	if r.State == events.Scheduled {
		switch c := r.Changes[0]; s.rng.IntN(6) {
		case 0, 1, 2:
			stamp.Actor = events.System
			return events.PublishDue{ID: r.ID}
		case 3:
			return s.put(on, c.Namespace, c.Key)
		}
	}
	for _, review := range r.Reviews {
		if review.KeyID != "" && s.rng.IntN(5) == 0 {
			return events.RevokeKey{ID: review.KeyID}
		}
	}
	if s.rng.IntN(8) > 0 {
		stamp.Actor = s.other(r)
	}
	by := s.somebody(on, stamp)
	switch n := s.rng.IntN(20); {
	case n < 13:
		return events.ApproveRequest{ID: r.ID, By: by}
	case n < 14:
		return events.RejectRequest{ID: r.ID, By: by, Comment: "no"}
	case n < 15:
		return events.WithdrawRequest{ID: r.ID, By: by}
	case n < 16:
		stamp.Actor = events.System
		return events.PublishDue{ID: r.ID}
	}
	return events.BypassRequest{ID: r.ID, By: by, Comment: "fire"}
}

// other is one who had no part in a request, if there is one.
func (s *sim) other(r events.Request) string {
	people := []string{"ann", "bob", "eve", "gil"}
	for range 9 {
		who := pick(s.rng, people)
		if who != r.SubmittedBy && !slices.ContainsFunc(r.Changes, func(c events.Change) bool { return c.Editor == who }) {
			return who
		}
	}
	return "gil"
}

func (s *sim) roles() (r events.Roles) {
	for _, who := range []string{"ann", "bob", "eve", "gil"} {
		switch s.rng.IntN(4) {
		case 0:
			r.Grants = append(r.Grants, events.RoleGrant{Role: events.Publisher, Principal: who})
		case 1:
			r.Grants = append(r.Grants, events.RoleGrant{Role: events.Admin, Principal: who, Keys: pick(s.rng, []string{"", "x", "z/*"})})
		}
	}
	r.Grants = append(r.Grants, events.RoleGrant{Role: events.Publisher, Group: pick(s.rng, simGroups)})
	r.Inherit = seldom(s.rng, 5, false)
	return r
}

func (s *sim) schema() (doc events.SchemaDoc) {
	if n := s.rng.IntN(len(simSchemas) + 1); n < len(simSchemas) {
		schema, err := events.ParseSchema("", []byte(simSchemas[n].document))
		if err != nil {
			s.Fatal(err)
		}
		doc.Schema = schema
	}
	doc.Inherit = seldom(s.rng, 5, false)
	return doc
}

func (s *sim) settings() events.Settings {
	c := events.Settings{
		RequireApproval: seldom(s.rng, 3, s.rng.IntN(2) == 0), MinApprovers: seldom(s.rng, 2, 1+s.rng.IntN(2)),
		RollbackRequiresApproval: seldom(s.rng, 3, s.rng.IntN(2) == 0), AllowBypass: seldom(s.rng, 1, s.rng.IntN(5) > 0),
		Quota: seldom(s.rng, 2, events.Quota{Keys: int64(s.rng.IntN(5)), Bytes: int64(s.rng.IntN(30))}), Inherit: seldom(s.rng, 3, false),
	}
	if s.rng.IntN(6) == 0 {
		c.Freezes = []events.Freeze{{From: s.now.Add(-time.Minute), Until: s.now.Add(time.Duration(s.rng.IntN(200)) * time.Second), Reason: "sale"}}
	}
	if s.rng.IntN(6) == 0 {
		c.Windows = []events.Window{{From: "00:00", To: "12:00"}}
	}
	return c
}

// seldom is a value once in n times, else nil.
func seldom[T any](rng *rand.Rand, n int, value T) *T {
	if rng.IntN(n) > 0 {
		return nil
	}
	return &value
}

func (s *sim) apiKey(on *projections.State, stamp *events.Stamp) events.Command {
	id := fmt.Sprint("key", s.rng.IntN(8))
	if on.APIKey(id).Revision > 0 {
		id = fmt.Sprint("key", s.rng.IntN(99))
	}
	c := events.CreateKey{
		ID: id, Name: pick(s.rng, []string{"ci", "bot", "ann", "bob"}), Digest: events.DigestKey(id), By: s.somebody(on, stamp),
		Grants: []events.Grant{{Namespace: pick(s.rng, append(s.spaces, events.Root)), Role: pick(s.rng, []events.Role{events.Publisher, events.Admin})}},
	}
	if s.rng.IntN(4) > 0 {
		c.ExpiresAt = s.now.Add(time.Duration(60+s.rng.IntN(1200)) * time.Second)
	}
	return c
}

// restore brings back some earlier states of keys of one namespace.
func (s *sim) restore(on *projections.State, stamp *events.Stamp) events.Restore {
	ns := pick(s.rng, s.spaces)
	c := events.Restore{Request: s.requestID(), Actor: stamp.Actor, Source: events.ChangeSource{Kind: "rollback"}}
	for _, key := range simKeys {
		if s.rng.IntN(2) == 0 {
			continue
		}
		r := events.Restored{Namespace: ns, Key: key, AsOf: 1}
		if versions := s.model.versionsAt(ns, key, on.Index()); len(versions) > 0 {
			v := pick(s.rng, versions)
			value, err := events.ParseValue([]byte(v.value), "", 100)
			if v.live && err != nil {
				s.Fatal(err)
			}
			r.AsOf, r.Was = v.index, events.Entry{Value: value, Description: v.description, Version: v.number, Revision: v.index, Deleted: !v.live}
		}
		if s.rng.IntN(4) == 0 {
			r.Unless = on.Index()
		}
		c.Entries = append(c.Entries, r)
	}
	return c
}

func (s *sim) webhook(on *projections.State) events.Command {
	const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
	id := fmt.Sprint("w", s.rng.IntN(4))
	p := events.WebhookProperties{URL: "https://h/", Namespace: pick(s.rng, s.spaces[:2]), Events: []string{"config"}, Disabled: s.rng.IntN(2) == 0}
	switch s.rng.IntN(8) {
	case 0:
		return events.UpdateWebhook{ID: id, Properties: p}
	case 1:
		return events.RotateWebhook{ID: id, Secret: secret, Until: s.now.Add(time.Hour)}
	case 2:
		return events.DeleteWebhook{ID: id}
	case 3:
		return events.AdvanceWebhook{ID: id, To: s.rng.Uint64N(on.Index() + 1)}
	case 4:
		return events.GiveUpDelivery{ID: id, Letter: events.DeadLetter{Index: s.rng.Uint64N(on.Index() + 1), Type: "config.updated"}}
	}
	return events.CreateWebhook{ID: id, Properties: p, Secret: secret}
}

// tallyRefusal counts what refused whom, to show that the simulations come to it.
func (s *sim) tallyRefusal(c events.Command, err error) {
	for name, kind := range map[string]error{
		"approval required": events.ErrApproval, "frozen": events.ErrFrozen, "over quota": events.ErrQuota, "locked": events.ErrLocked,
		"against a schema": events.ErrSchema,
	} {
		if errors.Is(err, kind) {
			s.tally["refused: "+name]++
		}
	}
	if _, approval := c.(events.ApproveRequest); approval && errors.Is(err, events.ErrForbidden) {
		s.tally["refused: an approval"]++
	}
}
