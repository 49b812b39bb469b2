package events

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// judgement collects what edits break of the schemas that hold where they take
// effect.
type judgement struct {
	d      *decision
	edits  map[string]map[string]*Value // by namespace, then key; nil: deleted
	fields []Field
	seen   map[Field]bool
	looked int // members of objects that were judged
}

// MaxJudged is how many members of namespaces one change may have judged: each
// counts again in every namespace that inherits it, for every schema that holds
// there and judges more than one member at a time.
const MaxJudged = 1_000_000

func (j *judgement) tooMuch() bool { return j.looked > MaxJudged }

func (j *judgement) breach(f Field) {
	if j.seen == nil {
		j.seen = map[Field]bool{}
	}
	if !j.seen[f] {
		j.seen[f] = true
		j.fields = append(j.fields, f)
	}
}

func (j *judgement) verdict() error {
	if j.tooMuch() {
		return refuse(ErrTooLarge, "to judge it by the schemas, more than %d values would be looked at, with those of namespaces that inherit it; split it, or simplify the schemas", MaxJudged)
	}
	return schemaRefusal(j.fields)
}

// flags judges an edit by what schemas say of the key besides its value.
func (j *judgement) flags(e edit) {
	now := j.d.view.Entry(e.namespace, e.key)
	if e.value != nil && now.Live() && e.value.Equal(now.Value) {
		return
	}
	for p, s := range Schemas(j.d.view, e.namespace) {
		switch f := s.Flags(e.key); {
		case f.Immutable && now.Live():
			j.breach(Field{pointerTo(e.key), fmt.Sprintf("is immutable by the schema of %s, and was set at version %d", p.Namespace, now.Version)})
		case f.Deprecated && e.value != nil:
			j.breach(Field{pointerTo(e.key), fmt.Sprintf("is deprecated by the schema of %s: nothing new is written to it", p.Namespace)})
		}
	}
}

// namespace judges the values that a namespace has after the edits, of which
// some were made in it or in one above, edited.
func (j *judgement) namespace(name, edited string) {
	for p, s := range Schemas(j.d.view, name) {
		if j.tooMuch() {
			return
		}
		if s.Separable() {
			// What such a schema says of a key above is said there already, when
			// it holds there too.
			if name == edited || !Within(edited, p.Namespace) {
				j.members(name, s, j.changed(name))
			}
			continue
		}
		j.members(name, s, j.whole(name))
	}
}

// members judges an object. What was broken in the same way before is not the
// fault of the edits.
func (j *judgement) members(name string, s *Schema, object map[string]Value) {
	j.looked += len(object)
	broken := s.Judge(sortedMembers(object))
	if len(broken) == 0 {
		return
	}
	present := j.present(name, s, object)
	excuse := excuse{s.Judge(sortedMembers(present)), present, object}
	for _, f := range broken {
		if !excuse.covers(f) {
			if len(j.edits) > 1 || j.edits[name] == nil {
				f.Detail += " (in namespace " + name + ")"
			}
			j.breach(f)
		}
	}
}

// excuse is what an object broke before it was edited.
type excuse struct {
	broken  []Field
	was, is map[string]Value
}

// covers reports whether a violation is an old one: of a value that was not
// touched, or of the whole and no worse.
func (e excuse) covers(f Field) bool {
	// Of very many violations only some are listed, and each edit lists others.
	unlisted := len(e.broken) > MaxViolations
	for key := range jsontext.Pointer(f.Pointer).Tokens() {
		was, had := e.was[key]
		is, has := e.is[key]
		return had == has && was.Equal(is) && (unlisted || slices.Contains(e.broken, f))
	}
	return unlisted || slices.ContainsFunc(e.broken, func(b Field) bool {
		_, ruleB, _ := strings.Cut(b.Detail, ", ")
		_, ruleF, _ := strings.Cut(f.Detail, ", ")
		nearer := strings.HasPrefix(ruleF, "must have at most") && len(e.is) < len(e.was) ||
			strings.HasPrefix(ruleF, "must have at least") && len(e.is) > len(e.was)
		return b == f || b.Pointer == "" && nearer && ruleB == ruleF
	})
}

// present is what an object was before the edits: whole, or the same keys.
func (j *judgement) present(name string, s *Schema, object map[string]Value) map[string]Value {
	if !s.Separable() {
		return maps.Collect(effective(j.d.view, name, nil))
	}
	was := map[string]Value{}
	for key := range object {
		for at, ok := name, true; ok; at, ok = InheritsValues(j.d.view, at) {
			if e := j.d.view.Entry(at, key); e.Live() {
				was[key] = e.Value
				break
			}
		}
	}
	return was
}

// changed are the values, after the edits, of the edited keys that the namespace
// has or inherits.
func (j *judgement) changed(name string) map[string]Value {
	object := map[string]Value{}
	for above, ok := name, true; ok; above, ok = InheritsValues(j.d.view, above) {
		for _, key := range slices.Sorted(maps.Keys(j.edits[above])) {
			if v, ok := j.value(name, key); ok {
				object[key] = v
			}
		}
	}
	return object
}

// value is the one that a namespace has or inherits after the edits, and guards
// what says so.
func (j *judgement) value(name, key string) (Value, bool) {
	for at, ok := name, true; ok; at, ok = InheritsValues(j.d.view, at) {
		if value, edited := j.edits[at][key]; edited {
			if value != nil {
				return *value, true
			}
			continue
		}
		e := j.d.view.Entry(at, key)
		j.d.holds(Subject{TheEntry, at, key}, e.Revision)
		if e.Live() {
			return e.Value, true
		}
	}
	return Value{}, false
}

// whole are all values that the namespace has or inherits after the edits.
func (j *judgement) whole(name string) map[string]Value {
	j.d.holds(Subject{Noun: TheNamespaces}, j.d.view.NamespacesRevision())
	for above, ok := name, true; ok; above, ok = InheritsValues(j.d.view, above) {
		j.d.holds(Subject{Noun: TheContents, Namespace: above}, j.d.view.Namespace(above).Contents)
	}
	return maps.Collect(effective(j.d.view, name, j.edits))
}

// effective yields what a reader of a namespace gets who resolves, as edited.
func effective(v View, namespace string, edits map[string]map[string]*Value) iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		seen := map[string]bool{}
		for at, ok := namespace, true; ok; at, ok = InheritsValues(v, at) {
			for _, key := range slices.Sorted(maps.Keys(edits[at])) {
				if value := edits[at][key]; value != nil && !seen[key] {
					seen[key] = true
					if !yield(key, *value) {
						return
					}
				}
			}
			for e := range v.Entries(at) {
				if _, edited := edits[at][e.Key]; edited || seen[e.Key] {
					continue
				}
				seen[e.Key] = true
				if !yield(e.Key, e.Value) {
					return
				}
			}
		}
	}
}

func sortedMembers(object map[string]Value) iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if !yield(key, object[key]) {
				return
			}
		}
	}
}

// pointerTo is the JSON pointer (RFC 6901) to a key of a namespace.
func pointerTo(key string) string { return string(jsontext.Pointer("").AppendToken(key)) }

// JudgeDrafts lists what publishing drafts together would break of the schemas
// that hold now.
func JudgeDrafts(v View, drafts ...Draft) []Field {
	d := &decision{view: v, guarded: map[Subject]bool{}}
	var edits []edit
	for _, draft := range drafts {
		edits = append(edits, draft.edit())
	}
	var refused *Refusal
	if errors.As(d.judge(edits), &refused) {
		return refused.Fields
	}
	return nil
}
