package projections

import (
	"iter"
	"strings"

	"github.com/tidwall/btree"

	"confman/events"
)

// governance is the part of the present that says how changes are made, and
// those that are under way. What is closed is in the history only.
type governance struct {
	policies *btree.Map[string, *events.Policy] // by namespace
	changed  uint64                             // last event about any policy
	drafts   *btree.Map[string, *events.Draft]  // by entryKey
	requests *btree.Map[string, *events.Request]
	webhooks *btree.Map[string, *events.Webhook]
}

func newGovernance() governance {
	return governance{
		policies: new(btree.Map[string, *events.Policy]),
		drafts:   new(btree.Map[string, *events.Draft]),
		requests: new(btree.Map[string, *events.Request]),
		webhooks: new(btree.Map[string, *events.Webhook]),
	}
}

func (g governance) copy() governance {
	return governance{g.policies.Copy(), g.changed, g.drafts.Copy(), g.requests.Copy(), g.webhooks.Copy()}
}

// revision is what a guard is compared with.
func (g governance) revision(of events.Subject) uint64 {
	switch of.Noun {
	case events.ThePolicies:
		return g.changed
	case events.TheDraft:
		if of.Name == "" {
			return g.newestDraft(of.Namespace)
		}
		if d, ok := g.drafts.Get(entryKey(of.Namespace, of.Name)); ok {
			return d.Revision
		}
		return 0
	case events.TheRequest:
		if r, ok := g.requests.Get(of.Name); ok {
			return r.Revision
		}
		return 0
	case events.TheWebhook:
		if w, ok := g.webhooks.Get(of.Name); ok {
			return w.Revision
		}
		return 0
	}
	return unknownRevision
}

// newestDraft is the newest revision of the drafts that are in a namespace now.
func (g governance) newestDraft(namespace string) (newest uint64) {
	g.drafts.Ascend(entryKey(namespace, ""), func(_ string, d *events.Draft) bool {
		if d.Namespace == namespace {
			newest = max(newest, d.Revision)
		}
		return d.Namespace == namespace
	})
	return newest
}

// Policy is what a namespace itself sets, the zero value for nothing.
func (s *State) Policy(namespace string) events.Policy {
	if p, ok := s.governance.policies.Get(namespace); ok {
		return *p
	}
	return events.Policy{}
}

// PoliciesRevision is the index of the last event about any policy.
func (s *State) PoliciesRevision() uint64 { return s.governance.changed }

// Roles are those that a namespace itself gives.
func (s *State) Roles(namespace string) events.Roles {
	if p, ok := s.governance.policies.Get(namespace); ok {
		return p.Roles
	}
	return events.Roles{}
}

// RolesWithin yields the roles that namespaces of a subtree give, by path.
func (s *State) RolesWithin(subtree string) iter.Seq2[string, events.Roles] {
	return func(yield func(string, events.Roles) bool) {
		from := subtree
		if subtree == events.Root {
			from = ""
		}
		s.governance.policies.Ascend(from, func(path string, p *events.Policy) bool {
			if subtree != events.Root && !strings.HasPrefix(path, subtree) {
				return false
			}
			if len(p.Roles.Grants) == 0 || !events.Within(path, subtree) {
				return true
			}
			return yield(path, p.Roles)
		})
	}
}

// CutOff yields the namespaces in which the roles of those above do not hold, by
// path.
func (s *State) CutOff() iter.Seq[string] {
	return func(yield func(string) bool) {
		s.governance.policies.Scan(func(path string, p *events.Policy) bool {
			return p.Roles.Inherit == nil || *p.Roles.Inherit || yield(path)
		})
	}
}

// Draft returns the draft of a key, or the zero value.
func (s *State) Draft(namespace, key string) events.Draft {
	if d, ok := s.governance.drafts.Get(entryKey(namespace, key)); ok {
		return *d
	}
	return events.Draft{}
}

// Drafts yields the drafts of exactly this namespace in key order.
func (s *State) Drafts(namespace string) iter.Seq[events.Draft] { return s.DraftsAfter(namespace, "") }

// DraftsAfter yields the drafts of exactly this namespace whose keys are greater
// than after, in key order.
func (s *State) DraftsAfter(namespace, after string) iter.Seq[events.Draft] {
	return func(yield func(events.Draft) bool) {
		from := entryKey(namespace, after)
		s.governance.drafts.Ascend(from, func(k string, d *events.Draft) bool {
			return d.Namespace == namespace && (k == from || yield(*d))
		})
	}
}

// DraftCount is how many drafts there are.
func (s *State) DraftCount() int { return s.governance.drafts.Len() }

// RequestCount is how many publish requests are open.
func (s *State) RequestCount() int { return s.governance.requests.Len() }

// Request returns an open publish request, or the zero value.
func (s *State) Request(id string) events.Request {
	if r, ok := s.governance.requests.Get(id); ok {
		return *r
	}
	return events.Request{}
}

// Requests yields the open publish requests after an ID, by ID: in the order in
// which they were submitted, more or less.
func (s *State) Requests(after string) iter.Seq[events.Request] {
	return func(yield func(events.Request) bool) {
		s.governance.requests.Ascend(after, func(id string, r *events.Request) bool {
			return id == after || yield(*r)
		})
	}
}

// Webhook returns a webhook, or the zero value.
func (s *State) Webhook(id string) events.Webhook {
	if w, ok := s.governance.webhooks.Get(id); ok {
		return *w
	}
	return events.Webhook{}
}

// WebhookCount is how many webhooks there are.
func (s *State) WebhookCount() int { return s.governance.webhooks.Len() }

// Webhooks yields the webhooks after an ID, by ID.
func (s *State) Webhooks(after string) iter.Seq[events.Webhook] {
	return func(yield func(events.Webhook) bool) {
		s.governance.webhooks.Ascend(after, func(id string, w *events.Webhook) bool {
			return id == after || yield(*w)
		})
	}
}
