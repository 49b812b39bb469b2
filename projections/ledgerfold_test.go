package projections_test

import (
	"maps"
	"slices"

	"confman/events"
)

// event folds one event.
func (t *transaction) event(e events.Event) {
	at := place{e.Namespace, e.Key}
	root := e.Namespace
	if root == "" {
		root = "/"
	}
	p := t.policies[root]
	switch d := e.Data.(type) {
	case events.NamespaceCreated:
		t.spaces[e.Namespace] = true
	case events.NamespaceDeleted:
		delete(t.spaces, e.Namespace)
		delete(t.policies, e.Namespace)
		maps.DeleteFunc(t.drafts, func(p place, _ drafted) bool { return p.namespace == e.Namespace })
	case events.ConfigCreated:
		t.value(e, at, held{string(d.JSON), d.Description, t.index}, false)
	case events.ConfigUpdated:
		t.value(e, at, held{string(d.JSON), d.Description, t.index}, false)
	case events.ConfigRolledBack:
		t.value(e, at, held{string(d.JSON), d.Description, t.index}, true)
	case events.ConfigDeleted:
		t.value(e, at, held{since: t.index}, d.Source != nil)
	case events.RolesChanged:
		p.roles = d.Roles
		t.policies[root] = p
	case events.SchemaChanged:
		p.schema, p.schemaAt = d.SchemaDoc, t.index
		t.policies[root] = p
	case events.SettingsChanged:
		p.settings = d.Settings
		t.policies[root] = p
	case events.DraftSaved:
		if by := t.drafts[at].lockedBy; by != "" {
			t.broken("%v is saved although %s reviews it", at, by)
		}
		t.drafts[at] = drafted{string(d.JSON), d.Description, e.Actor, "", t.index}
	case events.DraftDiscarded:
		if by := t.drafts[at].lockedBy; by != "" {
			t.broken("%v is discarded although %s reviews it", at, by)
		}
		delete(t.drafts, at)
	case events.KeyCreated:
		t.keys[d.ID] = made{principal: d.Principal, by: e.Actor, grants: d.Grants, roles: d.Roles, expires: d.ExpiresAt}
	case events.KeyRevoked:
		k := t.keys[d.ID]
		k.revoked = true
		t.keys[d.ID] = k
	case events.RequestSubmitted:
		t.submitted(e, d)
	default:
		if e.Request != "" {
			t.decided(e)
		}
		t.hooked(d)
	}
}

// hooked folds what is about a webhook.
func (t *transaction) hooked(d events.Data) {
	switch d := d.(type) {
	case events.WebhookCreated:
		t.hooks[d.ID] = hook{cursor: t.index, disabled: d.Disabled, secrets: 1}
	case events.WebhookUpdated:
		h := t.hooks[d.ID]
		h.disabled = d.Disabled
		if len(d.Secrets) > 0 {
			h.secrets = len(d.Secrets)
		}
		t.hooks[d.ID] = h
	case events.WebhookAdvanced:
		t.advanced(d.ID, d.Cursor, 0)
	case events.WebhookDeadLetter:
		t.advanced(d.ID, d.Index, 1)
	case events.WebhookDeleted:
		delete(t.hooks, d.ID)
	}
}

// advanced moves a webhook's cursor, never back.
func (t *transaction) advanced(id string, cursor uint64, dead int) {
	h, ok := t.hooks[id]
	if !ok || cursor <= h.cursor || cursor >= t.index {
		t.broken("webhook %s goes from %d to %d", id, h.cursor, cursor)
	}
	h.cursor, h.dead = cursor, h.dead+dead
	t.hooks[id] = h
}

// value folds a change of an entry.
func (t *transaction) value(e events.Event, at place, is held, back bool) {
	was := t.entries[at]
	t.entries[at] = is
	t.changed[at] = true
	for _, p := range t.schemas(at.namespace) {
		if string(p.schema.Schema.Document()) == simSchemas[4].document && at.key == "y" && was.value != "" && is.value != was.value {
			t.broken("%v is immutable, and changed from %s to %s", at, was.value, is.value)
		}
	}
	if e.Request != "" {
		return
	}
	if back {
		if setting(t.ledger, at.namespace, func(s events.Settings) *bool { return s.RollbackRequiresApproval }, false) {
			t.broken("%v is rolled back without approval", at)
		}
		return
	}
	if setting(t.ledger, at.namespace, func(s events.Settings) *bool { return s.RequireApproval }, false) {
		t.broken("%v is changed without approval", at)
	}
	if !t.open(at.namespace, t.attempt.stamp.Time) {
		t.broken("%v is changed at %v, when none is allowed", at, t.attempt.stamp.Time)
	}
}

func (t *transaction) submitted(e events.Event, d events.RequestSubmitted) {
	if t.requests[e.Request] != nil || t.closed[e.Request] != "" {
		t.broken("%s is submitted twice", e.Request)
	}
	r := &asked{by: e.Actor, changes: d.Changes, publishAt: d.PublishAt, approvals: map[string]approval{}}
	for _, c := range d.Changes {
		at := place{c.Namespace, c.Key}
		draft, ok := t.drafts[at]
		if !ok || draft.lockedBy != "" || draft.by != c.Editor || c.Draft != 0 && c.Draft != draft.saved || c.Delete != (draft.value == "") {
			t.broken("%s pins %+v, the draft is %+v", e.Request, c, draft)
		}
		draft.lockedBy = e.Request
		t.drafts[at] = draft
		r.content = append(r.content, draft)
	}
	t.requests[e.Request] = r
	t.s.tally["submitted"]++
}

// decided folds what is said of a publish request.
func (t *transaction) decided(e events.Event) {
	r := t.requests[e.Request]
	if r == nil {
		t.broken("%s of %s, which is not open but %q", e.Data.Kind(), e.Request, t.closed[e.Request])
		return
	}
	t.s.tally[string(e.Data.Kind())]++
	switch d := e.Data.(type) {
	case events.RequestApproved:
		if e.Actor == r.by || slices.ContainsFunc(r.changes, func(c events.Change) bool { return c.Editor == e.Actor }) {
			t.broken("%s approves their own work", e.Actor)
		}
		r.approvals[e.Actor] = approval{d.KeyID, d.Groups, t.basis}
	case events.RequestScheduled:
		r.due = d.DueAt
		t.approved(r)
	case events.RequestPublished:
		t.published(e, r, d)
		t.close(e, true)
	case events.RequestRejected:
		if e.Actor == events.System {
			t.s.tally["rejected when due"]++
		}
		t.close(e, false)
	case events.RequestWithdrawn:
		t.close(e, false)
	}
}

// close ends a request, with its drafts or not.
func (t *transaction) close(e events.Event, consumed bool) {
	for _, c := range t.requests[e.Request].changes {
		at := place{c.Namespace, c.Key}
		if d := t.drafts[at]; d.lockedBy == e.Request {
			d.lockedBy = ""
			t.drafts[at] = d
			if consumed {
				delete(t.drafts, at)
			}
		}
	}
	delete(t.requests, e.Request)
	t.closed[e.Request] = e.Data.Kind()
}
