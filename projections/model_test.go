package projections_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"confman/events"
)

// model is the product in the words of its contract: maps of maps, with no
// guards, no trees and no rows. It is told of each command at the moment it
// takes effect and says what must come of it.
type model struct {
	index    uint64
	level    events.Level
	oldest   uint64 // the first event that is served
	time     time.Time
	spaces   map[string]*space
	keys     map[string]bool // API key → revoked
	claims   []claim
	happened []happening // happened[i] is event i+1
}

type space struct {
	live        bool
	description *string
	entries     map[string][]version // all versions, oldest first
	since       []happening          // events about the namespace itself
}

type version struct {
	index, number uint64
	live          bool
	value         string // JSON
	description   string
	actor         string
}

// happening is one event as the contract speaks of it.
type happening struct {
	index             uint64
	kind              events.Kind
	namespace, key    string
	actor             string
	number, was       uint64 // versions, where the event is about an entry
	value, wasValue   string
	description       string
	described         bool // a namespace's description was given, be it empty
	time              time.Time
	transactionLength int
}

type claim struct {
	receipt events.Receipt
	gone    uint64 // the event that let it be forgotten; 0: remembered
}

func newModel() *model {
	return &model{level: 1, oldest: 1, spaces: map[string]*space{}, keys: map[string]bool{}}
}

func (m *model) space(path string) *space {
	s, ok := m.spaces[path]
	if !ok {
		s = &space{entries: map[string][]version{}}
		m.spaces[path] = s
	}
	return s
}

// entry is the newest version of a key, deleted ones too.
func (m *model) entry(ns, key string) version {
	if all := m.space(ns).entries[key]; len(all) > 0 {
		return all[len(all)-1]
	}
	return version{}
}

// meaning says what a command comes to now. It is an error when the contract
// does not allow it to take effect.
func (m *model) meaning(c events.Command, actor string) (out []happening, err error) {
	switch c := c.(type) {
	case events.PutEntry:
		return m.put(c, actor, false)
	case events.DeleteEntry:
		return m.delete(c, actor)
	case events.Transact:
		return m.transact(c, actor)
	case events.PutNamespace:
		s := m.space(c.Path)
		h := happening{kind: "namespace.created", namespace: c.Path, actor: actor, description: *c.Description, described: true}
		if s.live {
			if s.description != nil && *s.description == *c.Description {
				return nil, nil
			}
			h.kind = "namespace.updated"
		}
		return []happening{h}, nil
	case events.DeleteNamespace:
		s := m.space(c.Path)
		if !s.live {
			return nil, fmt.Errorf("namespace %s is not there to be deleted", c.Path)
		}
		for _, key := range slices.Sorted(maps.Keys(s.entries)) {
			if v := m.entry(c.Path, key); v.live {
				out = append(out, deletion(c.Path, key, v, actor))
			}
		}
		return append(out, happening{kind: "namespace.deleted", namespace: c.Path, actor: actor}), nil
	case events.CreateKey:
		if _, taken := m.keys[c.ID]; taken {
			return nil, fmt.Errorf("API key %s is there", c.ID)
		}
		return []happening{{kind: "key.created", value: c.ID, actor: actor}}, nil
	case events.RevokeKey:
		revoked, known := m.keys[c.ID]
		if !known {
			return nil, fmt.Errorf("API key %s is not there", c.ID)
		}
		if revoked {
			return nil, nil
		}
		return []happening{{kind: "key.revoked", value: c.ID, actor: actor}}, nil
	case events.RaiseLevel:
		if c.Level <= m.level {
			return nil, nil
		}
		return []happening{{kind: "cluster.upgraded", number: uint64(c.Level), actor: actor}}, nil
	case events.TrimHistory:
		if c.To.Oldest <= m.oldest {
			return nil, nil
		}
		if m.level < 2 || c.To.Oldest > m.index+1 {
			return nil, fmt.Errorf("trimmed to %d of %d at level %d", c.To.Oldest, m.index, m.level)
		}
		return []happening{{kind: "history.trimmed", number: c.To.Oldest, value: c.To.Chain.String(), actor: actor}}, nil
	}
	panic(fmt.Sprintf("the model knows no %T", c))
}

func (m *model) put(c events.PutEntry, actor string, spaceMade bool) (out []happening, err error) {
	now := m.entry(c.Namespace, c.Key)
	if err := allowed(c.If, now); err != nil {
		return nil, err
	}
	if now.live && now.value == string(c.Value) {
		return nil, nil
	}
	if !m.space(c.Namespace).live && !spaceMade {
		out = append(out, happening{kind: "namespace.created", namespace: c.Namespace, actor: actor})
	}
	h := happening{
		kind: "config.created", namespace: c.Namespace, key: c.Key, actor: actor, number: now.number + 1, value: string(c.Value),
	}
	if now.live {
		h.kind, h.was, h.wasValue, h.description = "config.updated", now.number, now.value, now.description
	}
	return append(out, h), nil
}

func (m *model) delete(c events.DeleteEntry, actor string) ([]happening, error) {
	now := m.entry(c.Namespace, c.Key)
	if err := allowed(c.If, now); err != nil {
		return nil, err
	}
	if !now.live {
		return nil, fmt.Errorf("%s/%s is not there to be deleted", c.Namespace, c.Key)
	}
	return []happening{deletion(c.Namespace, c.Key, now, actor)}, nil
}

func (m *model) transact(c events.Transact, actor string) (out []happening, err error) {
	for _, cond := range c.If {
		number := uint64(0)
		if now := m.entry(cond.Namespace, cond.Key); now.live {
			number = now.number
		}
		if number != cond.Version {
			return nil, fmt.Errorf("%s/%s is at %d, not %d", cond.Namespace, cond.Key, number, cond.Version)
		}
	}
	made := map[string]bool{}
	for _, set := range c.Set {
		more, err := m.put(set, actor, made[set.Namespace])
		if err != nil {
			return nil, err
		}
		made[set.Namespace] = made[set.Namespace] || len(more) > 0
		out = append(out, more...)
	}
	for _, del := range c.Delete {
		more, err := m.delete(del, actor)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func allowed(c events.Condition, now version) error {
	if c.Versions != nil && !(now.live && slices.Contains(c.Versions, now.number)) || c.Absent && now.live {
		return fmt.Errorf("at version %d, live %v: not what the caller wants to change", now.number, now.live)
	}
	return nil
}

func deletion(ns, key string, now version, actor string) happening {
	return happening{
		kind: "config.deleted", namespace: ns, key: key, actor: actor, number: now.number + 1, was: now.number, wasValue: now.value,
	}
}

// happen lets a command take effect at a time.
func (m *model) happen(all []happening, at time.Time) []happening {
	if at.After(m.time) && len(all) > 0 {
		m.time = at
	}
	for i := range all {
		h := &all[i]
		m.index++
		h.index, h.time, h.transactionLength = m.index, m.time, len(all)
		s := m.space(h.namespace)
		switch h.kind {
		case "config.created", "config.updated", "config.rolled-back", "config.deleted":
			s.entries[h.key] = append(s.entries[h.key], version{h.index, h.number, h.kind != "config.deleted", h.value, h.description, h.actor})
		case "namespace.created", "namespace.updated":
			s.live, s.description = true, nil
			if h.described {
				s.description = &h.description
			}
			s.since = append(s.since, *h)
		case "namespace.deleted":
			s.live = false
			s.since = append(s.since, *h)
		case "key.created":
			m.keys[h.value] = false
		case "key.revoked":
			m.keys[h.value] = true
		case "cluster.upgraded":
			m.level = events.Level(h.number)
		case "history.trimmed":
			m.oldest = h.number
		}
	}
	m.happened = append(m.happened, all...)
	return all
}

// remember notes a claim, and forgets those that the history's time left 25
// hours behind.
func (m *model) remember(c *events.Claim, at time.Time, count int) {
	if c != nil {
		at = later(at, m.time)
		m.claims = append(m.claims, claim{receipt: events.Receipt{ID: c.ID, Fingerprint: c.Fingerprint, Index: m.index, Count: count, Time: at}})
	}
	for i := range m.claims {
		if old := &m.claims[i]; old.gone == 0 && m.time.Sub(old.receipt.Time) > 25*time.Hour {
			old.gone = m.index
		}
	}
}

// receipts are those remembered as of an index.
func (m *model) receipts(at uint64) map[events.ReceiptID]events.Receipt {
	all := map[events.ReceiptID]events.Receipt{}
	for _, c := range m.claims {
		if c.receipt.Index <= at && (c.gone == 0 || c.gone > at) {
			all[c.receipt.ID] = c.receipt
		}
	}
	return all
}

// versionsAt are the versions of a key up to an index, oldest first.
func (m *model) versionsAt(ns, key string, at uint64) []version {
	all := m.space(ns).entries[key]
	n := 0
	for n < len(all) && all[n].index <= at {
		n++
	}
	return all[:n]
}

// liveAt are the live keys of a namespace as of an index with their versions.
func (m *model) liveAt(ns string, at uint64) map[string]version {
	live := map[string]version{}
	for key := range m.space(ns).entries {
		if all := m.versionsAt(ns, key, at); len(all) > 0 && all[len(all)-1].live {
			live[key] = all[len(all)-1]
		}
	}
	return live
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
