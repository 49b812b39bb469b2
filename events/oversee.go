package events

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

// mandate is by what right a decision changes entries.
type mandate uint8

const (
	direct     mandate = iota // somebody writes
	published                 // a publish request that was reviewed, or bypassed
	rolledBack                // a publisher brings back what there was
	considered                // nobody changes anything yet
)

// edit is what an entry is to become: a value, or nothing.
type edit struct {
	namespace, key string
	value          *Value
}

// oversee looks at all that a decision changes, however it came to that: no
// command can forget a rule that holds for every change.
func (d *decision) oversee() error {
	edits := editsOf(d.events[d.overseen:])
	saved := slices.ContainsFunc(d.events[d.overseen:], func(e Event) bool { _, is := e.Data.(DraftSaved); return is })
	d.overseen = len(d.events)
	if len(edits) == 0 && !saved {
		return nil
	}
	d.policies()
	if d.view.PoliciesRevision() == 0 {
		return nil // nobody ever said anything about changes
	}
	for err := range d.objections(edits) {
		if err != nil {
			return err
		}
	}
	return nil
}

// objections yields what each rule says of all that the decision changes: nil, or a
// refusal.
func (d *decision) objections(edits []edit) iter.Seq[error] {
	return func(yield func(error) bool) {
		if d.mandate == direct && !yield(d.mayWrite(edits)) {
			return
		}
		if d.mandate != published && !yield(d.hasRoom()) {
			return
		}
		yield(d.judge(edits))
	}
}

// editsOf are the changes of entries among events.
func editsOf(recorded []Event) (edits []edit) {
	for _, e := range recorded {
		var value *Value
		switch d := e.Data.(type) {
		case ConfigCreated:
			value = &d.Value
		case ConfigUpdated:
			value = &d.Value
		case ConfigRolledBack:
			value = &d.Value
		case ConfigDeleted:
		default:
			continue
		}
		edits = append(edits, edit{e.Namespace, e.Key, value})
	}
	return edits
}

// mayWrite refuses direct changes where they are made by publish requests, or not
// now.
func (d *decision) mayWrite(edits []edit) error {
	seen := map[string]bool{}
	for _, e := range edits {
		if seen[e.namespace] {
			continue
		}
		seen[e.namespace] = true
		s := EffectiveSettings(d.view, e.namespace)
		if s.RequireApproval {
			return refuse(ErrApproval, "changes in namespace %s need approval: save %s as a draft (PUT %s) and submit it (POST /api/v1/publish-requests)",
				e.namespace, e.key, "/api/v1/namespaces/"+e.namespace+"/drafts/"+e.key)
		}
		if _, why := s.opens(d.stamp.Time); why != "" {
			return refuse(ErrFrozen, "namespace %s is %s", e.namespace, why)
		}
	}
	return nil
}

// hasRoom refuses what grows a namespace beyond its quota, or beyond that of one
// above. What is deleted makes room for what is written with it.
func (d *decision) hasRoom() error {
	grown := map[string]Usage{}
	for name, u := range d.growth() {
		for path := range Upwards(name) {
			grown[path] = grown[path].Plus(u)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(grown)) {
		q, g := d.view.Policy(path).Settings.Quota, grown[path]
		if q == nil {
			continue
		}
		used := d.view.Usage(path)
		if most := q.Keys; most > 0 && g.Keys > 0 && used.Keys+g.Keys > most {
			return refuse(ErrQuota, "namespace %s and those below it hold %d keys, %d more are over its quota of %d keys", path, used.Keys, g.Keys, most)
		}
		if most := q.Bytes; most > 0 && g.Bytes > 0 && used.Bytes+g.Bytes > most {
			return refuse(ErrQuota, "namespace %s and those below it hold %d bytes, %d more are over its quota of %d bytes", path, used.Bytes, g.Bytes, most)
		}
	}
	return nil
}

// growth is how much more each namespace holds after the decision.
func (d *decision) growth() map[string]Usage {
	type place struct{ namespace, key string }
	entries, drafts := map[place]Entry{}, map[place]Draft{}
	var touched []place
	touch := func(namespace, key string) place {
		p := place{namespace, key}
		if _, known := entries[p]; !known {
			touched = append(touched, p)
			entries[p], drafts[p] = d.view.Entry(namespace, key), d.view.Draft(namespace, key)
		}
		return p
	}
	for _, e := range d.events {
		switch data := e.Data.(type) {
		case DraftSaved:
			p := touch(e.Namespace, e.Key)
			drafts[p] = Draft{Namespace: e.Namespace, Key: e.Key, Value: data.Value, Delete: data.Delete, Revision: 1}
		case DraftDiscarded:
			drafts[touch(e.Namespace, e.Key)] = Draft{}
		default:
			for _, edit := range editsOf([]Event{e}) {
				after := Entry{Namespace: e.Namespace, Key: e.Key, Revision: 1, Deleted: edit.value == nil}
				if edit.value != nil {
					after.Value = *edit.value
				}
				entries[touch(e.Namespace, e.Key)] = after
			}
		}
	}
	grown := map[string]Usage{}
	for _, p := range touched {
		before := Weigh(d.view.Entry(p.namespace, p.key), d.view.Draft(p.namespace, p.key))
		after := Weigh(entries[p], drafts[p])
		grown[p.namespace] = grown[p.namespace].Plus(after).Minus(before)
	}
	return grown
}

// Usage is what counts against a quota.
type Usage struct {
	Keys, Bytes int64
}

// Plus is the sum.
func (u Usage) Plus(v Usage) Usage { return Usage{u.Keys + v.Keys, u.Bytes + v.Bytes} }

// Minus is the difference.
func (u Usage) Minus(v Usage) Usage { return Usage{u.Keys - v.Keys, u.Bytes - v.Bytes} }

// Weigh is what one key counts: its live entry and its draft.
func Weigh(e Entry, d Draft) (u Usage) {
	if e.Live() {
		u = Usage{1, int64(len(e.Key) + len(e.Value.JSON))}
	}
	if d.Exists() && !d.Delete {
		u = Usage{1, u.Bytes + int64(len(d.Key)+len(d.Value.JSON))}
	}
	return u
}

// judge refuses edits after which a value would break a schema: in the namespaces
// that are edited and in those that inherit from them.
func (d *decision) judge(edits []edit) error {
	byPlace := map[string]map[string]*Value{}
	var order []string
	for _, e := range edits {
		if byPlace[e.namespace] == nil {
			byPlace[e.namespace] = map[string]*Value{}
			order = append(order, e.namespace)
		}
		byPlace[e.namespace][e.key] = e.value
	}
	j := judgement{d: d, edits: byPlace}
	for _, e := range edits {
		j.flags(e)
	}
	for _, namespace := range order {
		if namespace == d.ends {
			continue // judgePolicy has judged those below it
		}
		for inheritor := range d.inheritors(namespace) {
			j.namespace(inheritor, namespace)
		}
	}
	return j.verdict()
}

// inheritors yields a namespace and the live ones below it that get values from
// it.
func (d *decision) inheritors(namespace string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(namespace) {
			return
		}
		for below := range d.view.NamespacesWithin(namespace) {
			if below.Path != namespace && inheritsFrom(d.view, below.Path, namespace) && !yield(below.Path) {
				return
			}
		}
	}
}

// inheritsFrom reports whether nothing cuts off values on the way up from one
// namespace to another.
func inheritsFrom(v PolicyView, below, above string) bool {
	for path := range Upwards(below) {
		if path == above {
			return true
		}
		if v.Policy(path).Settings.Cuts() {
			return false
		}
	}
	return false
}

// InheritsValues is the namespace that another gets values from which it has not
// itself; ok is false where there is none.
func InheritsValues(v PolicyView, namespace string) (above string, ok bool) {
	if v.Policy(namespace).Settings.Cuts() {
		return "", false
	}
	above, ok = parent(namespace)
	return above, ok && above != Root
}

// schemaFields is how many violations a refusal lists at most.
const schemaFields = 100

func schemaRefusal(fields []Field) error {
	if len(fields) == 0 {
		return nil
	}
	if more := len(fields) - schemaFields; more > 0 {
		fields = append(fields[:schemaFields:schemaFields], Field{"", fmt.Sprintf("and %d more", more)})
	}
	return &Refusal{Kind: ErrSchema, Detail: "the schema does not allow it", Fields: fields}
}
