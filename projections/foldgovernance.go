package projections

import (
	"slices"

	"confman/events"
)

// foldGovernance folds what is about policies, drafts, publish requests and
// webhooks.
func (s *State) foldGovernance(r events.Record, e events.Event) (t touched, err error) {
	mark := events.Mark{Revision: r.Index, At: r.Time, By: e.Actor}
	switch d := e.Data.(type) {
	case events.RolesChanged:
		s.setPolicy(e.Namespace, r, func(p *events.Policy) { p.Roles, p.RolesMark = d.Roles, mark })
	case events.SchemaChanged:
		s.setPolicy(e.Namespace, r, func(p *events.Policy) { p.Schema, p.SchemaMark = d.SchemaDoc, mark })
	case events.SettingsChanged:
		s.setPolicy(e.Namespace, r, func(p *events.Policy) { p.Settings, p.SettingsMark = d.Settings, mark })
	case events.DraftSaved:
		t.drafts = append(t.drafts, s.setDraft(events.Draft{
			Namespace: e.Namespace, Key: e.Key, Value: d.Value, Description: d.Description, Tags: d.Tags, Delete: d.Delete,
			Comment: d.Comment, Saved: r.Index, UpdatedAt: r.Time, UpdatedBy: e.Actor, Revision: r.Index,
		}))
	case events.DraftDiscarded:
		t.drafts = append(t.drafts, s.endDraft(s.Draft(e.Namespace, e.Key)))
	case events.RequestSubmitted, events.RequestApproved, events.RequestScheduled, events.RequestBypassed,
		events.RequestRejected, events.RequestWithdrawn, events.RequestPublished:
		t = s.foldRequest(r, e)
	case events.WebhookCreated, events.WebhookUpdated, events.WebhookDeleted, events.WebhookAdvanced, events.WebhookDeadLetter:
		s.foldWebhook(r, e)
	default:
		return t, &events.UnknownEventError{Kind: e.Data.Kind()}
	}
	return t, nil
}

func (s *State) setPolicy(namespace string, r events.Record, change func(*events.Policy)) {
	p := s.Policy(namespace)
	p.Namespace, p.Revision = namespace, r.Index
	change(&p)
	s.governance.policies.Set(namespace, &p)
	s.governance.changed = r.Index
}

// endNamespace ends what else belongs to a namespace that was deleted.
func (s *State) endNamespace(r events.Record, path string) (t touched) {
	if s.Policy(path).Revision > 0 {
		s.setPolicy(path, r, func(p *events.Policy) { *p = events.Policy{Namespace: path, Revision: r.Index} })
	}
	for d := range s.Drafts(path) {
		t.drafts = append(t.drafts, d)
	}
	for _, d := range t.drafts {
		s.endDraft(d)
	}
	return t
}

// setDraft replaces a draft by a changed one.
func (s *State) setDraft(d events.Draft) events.Draft {
	n := s.Namespace(d.Namespace)
	if n.Path == "" {
		n.Path = d.Namespace
	}
	key := entryKey(n.Path, d.Key)
	d.Namespace, d.Key = n.Path, key[len(n.Path)+1:]
	was := s.Draft(d.Namespace, d.Key)
	s.governance.drafts.Set(key, &d)
	s.reweigh(n, d.Key, was, d)
	return d
}

// endDraft takes a draft away, and returns it as it was.
func (s *State) endDraft(d events.Draft) events.Draft {
	if d.Exists() {
		s.governance.drafts.Delete(entryKey(d.Namespace, d.Key))
		s.reweigh(s.Namespace(d.Namespace), d.Key, d, events.Draft{})
	}
	return d
}

func (s *State) reweigh(n events.Namespace, key string, was, is events.Draft) {
	entry := s.Entry(n.Path, key)
	n.Used = n.Used.Plus(events.Weigh(entry, is)).Minus(events.Weigh(entry, was))
	s.namespaces.Set(n.Path, &n)
}

// foldRequest folds an event about a publish request, which locks drafts, lets go
// of them or takes them with it.
func (s *State) foldRequest(r events.Record, e events.Event) (t touched) {
	request := s.Request(e.Request)
	request.Fold(r.Index, r.Time, e)
	switch e.Data.(type) {
	case events.RequestSubmitted:
		request.Changes = slices.Clone(request.Changes)
		for i, c := range request.Changes {
			d := s.Draft(c.Namespace, c.Key)
			request.Changes[i].Draft = d.Saved // where it was saved in the same step
			d.Request, d.Revision = request.ID, r.Index
			t.drafts = append(t.drafts, s.setDraft(d))
		}
	case events.RequestRejected, events.RequestWithdrawn, events.RequestPublished:
		for _, c := range request.Changes {
			d := s.Draft(c.Namespace, c.Key)
			if d.Request != request.ID {
				continue
			}
			if request.State == events.Published {
				t.drafts = append(t.drafts, s.endDraft(d))
				continue
			}
			d.Request, d.Revision = "", r.Index
			t.drafts = append(t.drafts, s.setDraft(d))
		}
		s.governance.requests.Delete(request.ID)
		t.closed = &request
		return t
	}
	s.governance.requests.Set(request.ID, &request)
	return t
}

// foldWebhook folds an event about a webhook.
func (s *State) foldWebhook(r events.Record, e events.Event) {
	set := func(w events.Webhook) {
		w.Revision = r.Index
		s.governance.webhooks.Set(w.ID, &w)
	}
	properties := func(w events.Webhook, p events.WebhookProperties) events.Webhook {
		w.URL, w.Namespace, w.Events, w.Values, w.Description, w.Disabled = p.URL, p.Namespace, p.Events, p.Values, p.Description, p.Disabled
		w.UpdatedAt = r.Time
		return w
	}
	switch d := e.Data.(type) {
	case events.WebhookCreated:
		set(properties(events.Webhook{
			ID: d.ID, Secrets: []events.WebhookSecret{{Secret: d.Secret}}, CreatedAt: r.Time, CreatedBy: e.Actor, Cursor: r.Index,
		}, d.WebhookProperties))
	case events.WebhookUpdated:
		w := properties(s.Webhook(d.ID), d.WebhookProperties)
		w.Reason = d.Reason
		if d.Secrets != nil {
			w.Secrets = d.Secrets
		}
		set(w)
	case events.WebhookAdvanced:
		w := s.Webhook(d.ID)
		w.Cursor = d.Cursor
		set(w)
	case events.WebhookDeadLetter:
		w := s.Webhook(d.ID)
		w.Cursor = d.Index
		letter := d.DeadLetter
		letter.At = r.Time
		w.Dead = append(slices.Clone(w.Dead[max(0, len(w.Dead)+1-events.MaxDeadLetters):]), letter)
		set(w)
	case events.WebhookDeleted:
		s.governance.webhooks.Delete(d.ID)
	}
}
