package events

import (
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func (j *judge) object(a *application, object map[string]any) {
	if a.MinProperties != nil && len(object) < *a.MinProperties {
		a.fail("has %s, must have at least %d", count(len(object), "member"), *a.MinProperties)
	}
	if a.MaxProperties != nil && len(object) > *a.MaxProperties {
		a.fail("has %s, must have at most %d", count(len(object), "member"), *a.MaxProperties)
	}
	j.spend(len(a.Required) + len(a.DependentRequired) + len(a.DependentSchemas) + len(a.Dependencies))
	for _, name := range a.Required {
		if _, ok := object[name]; !ok {
			a.failAt(a.at.member(name), "is missing")
		}
	}
	if !a.settled() {
		j.dependencies(a, object)
	}
	if a.settled() || a.Properties == nil && a.patterns == nil && a.AdditionalProperties == nil && a.PropertyNames == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !j.member(a, name, object[name]) {
			return
		}
	}
}

// member judges one member and reports whether to go on.
func (j *judge) member(a *application, name string, v any) bool {
	at := a.at.member(name)
	subs := j.ofMember(a.Schema, name)
	for _, sub := range subs {
		if !a.check(j.apply(sub, v, at, nil, a.say)) {
			return false
		}
	}
	switch extra := a.AdditionalProperties.(type) {
	case bool:
		if !extra && len(subs) == 0 {
			a.failAt(at, "is not a known name (additionalProperties)")
		}
		a.seen.member(name)
	case *jsonschema.Schema:
		a.seen.member(name)
	default:
		if len(subs) > 0 {
			a.seen.member(name)
		}
	}
	if a.PropertyNames != nil {
		first := violations{max: 1}
		if !j.apply(a.PropertyNames, name, nil, nil, &first) && len(first.fields) > 0 {
			a.failAt(at, "has a name that %s (propertyNames)", first.fields[0].Detail)
		}
	}
	return j.spend(1) && !a.settled()
}

func (j *judge) dependencies(a *application, object map[string]any) {
	needs := func(name string, others []string) {
		for _, other := range others {
			if _, ok := object[other]; !ok {
				a.failAt(a.at.member(other), "is missing, and must be there because %s is", show(name))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.DependentRequired)) {
		if _, ok := object[name]; ok {
			needs(name, a.DependentRequired[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.DependentSchemas)) {
		if _, ok := object[name]; ok {
			a.check(j.apply(a.DependentSchemas[name], object, a.at, a.seen, a.say))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Dependencies)) { // of older drafts
		if _, ok := object[name]; !ok {
			continue
		}
		switch dependency := a.Dependencies[name].(type) {
		case []string:
			needs(name, dependency)
		case *jsonschema.Schema:
			a.check(j.apply(dependency, object, a.at, a.seen, a.say))
		}
	}
}

func (j *judge) array(a *application, array []any) {
	if a.MinItems != nil && len(array) < *a.MinItems {
		a.fail("has %s, must have at least %d", count(len(array), "item"), *a.MinItems)
	}
	if a.MaxItems != nil && len(array) > *a.MaxItems {
		a.fail("has %s, must have at most %d", count(len(array), "item"), *a.MaxItems)
	}
	if a.UniqueItems {
		j.unique(a, array)
	}
	for i, item := range array {
		sub := a.Items2020
		if i < len(a.PrefixItems) {
			sub = a.PrefixItems[i]
		}
		if sub == nil {
			break
		}
		a.seen.item(i)
		if !a.check(j.apply(sub, item, a.at.item(i), nil, a.say)) {
			return
		}
	}
	if a.Contains != nil {
		j.contains(a, array)
	}
}

func (j *judge) unique(a *application, array []any) {
	first := make(map[string]int, len(array))
	for i, item := range array {
		work := 0
		identity := string(appendIdentity(nil, item, &work))
		if !j.spend(1 + work/64) {
			return
		}
		if earlier, ok := first[identity]; ok {
			a.failAt(a.at.item(i), "is the same as item %d", earlier)
			return
		}
		first[identity] = i
	}
}

func (j *judge) contains(a *application, array []any) {
	n := 0
	for i, item := range array {
		if j.apply(a.Contains, item, a.at.item(i), nil, nil) {
			a.seen.item(i)
			n++
		}
	}
	least := 1
	if a.MinContains != nil {
		least = *a.MinContains
	}
	if n < least {
		a.fail("has %s as \"contains\" wants, must have at least %d", count(n, "item"), least)
	}
	if a.MaxContains != nil && n > *a.MaxContains {
		a.fail("has %s as \"contains\" wants, must have at most %d", count(n, "item"), *a.MaxContains)
	}
}

func (j *judge) text(a *application, text string) {
	if a.MinLength != nil || a.MaxLength != nil {
		j.spend(len(text) / 64)
		n := utf8.RuneCountInString(text)
		if a.MinLength != nil && n < *a.MinLength {
			a.fail("has %s, must have at least %d", count(n, "character"), *a.MinLength)
		}
		if a.MaxLength != nil && n > *a.MaxLength {
			a.fail("has %s, must have at most %d", count(n, "character"), *a.MaxLength)
		}
	}
	if a.Pattern != nil && !j.matches(a.Pattern.(*pattern), text) {
		a.fail("is %s, must match the pattern %s", show(text), shorten(a.Pattern.String(), 200))
	}
}

func (j *judge) number(a *application, n json.Number) {
	if a.minimum == nil && a.maximum == nil && a.above == nil && a.below == nil && a.multiple == nil {
		return
	}
	j.spend(len(n) / 64)
	d := parseDecimal(n)
	if a.minimum != nil && d.compare(*a.minimum) < 0 {
		a.fail("is %s, must be at least %s", show(n), a.minimum)
	}
	if a.maximum != nil && d.compare(*a.maximum) > 0 {
		a.fail("is %s, must be at most %s", show(n), a.maximum)
	}
	if a.above != nil && d.compare(*a.above) <= 0 {
		a.fail("is %s, must be more than %s", show(n), a.above)
	}
	if a.below != nil && d.compare(*a.below) >= 0 {
		a.fail("is %s, must be less than %s", show(n), a.below)
	}
	if a.multiple != nil && !d.multipleOf(*a.multiple) {
		a.fail("is %s, must be a multiple of %s", show(n), a.multiple)
	}
}

// unevaluated judges the members and items that nothing else has judged.
func (j *judge) unevaluated(a *application, v any) {
	switch v := v.(type) {
	case map[string]any:
		if a.UnevaluatedProperties == nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if !a.seen.members[name] && !a.check(j.apply(a.UnevaluatedProperties, v[name], a.at.member(name), nil, a.say)) {
				return
			}
			a.seen.member(name)
		}
	case []any:
		if a.UnevaluatedItems == nil {
			return
		}
		for i, item := range v {
			if !a.seen.items[i] && !a.check(j.apply(a.UnevaluatedItems, item, a.at.item(i), nil, a.say)) {
				return
			}
			a.seen.item(i)
		}
	}
}

// evaluated is what subschemas have judged of an object or array (core § 7.7).
// Nil takes everything and keeps nothing.
type evaluated struct {
	members map[string]bool
	items   map[int]bool
}

func (e *evaluated) member(name string) {
	if e == nil {
		return
	}
	if e.members == nil {
		e.members = map[string]bool{}
	}
	e.members[name] = true
}

func (e *evaluated) item(i int) {
	if e == nil {
		return
	}
	if e.items == nil {
		e.items = map[int]bool{}
	}
	e.items[i] = true
}

func (e *evaluated) size() int { return len(e.members) + len(e.items) }

func (e *evaluated) merge(f *evaluated) {
	for name := range f.members {
		e.member(name)
	}
	for i := range f.items {
		e.item(i)
	}
}
