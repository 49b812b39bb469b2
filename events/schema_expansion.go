package events

import (
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// checkExpansion refuses schemas that a few lines of $ref and allOf make
// exponential, or endless: it counts how many subschemas are applied to one
// value at most. What multiplies from level to level of the value is bounded by
// [MaxSchemaSteps].
func (r *ruleset) checkExpansion() error {
	e := expansion{counts: map[*jsonschema.Schema]int{}}
	all := slices.SortedFunc(maps.Keys(r.rules), func(a, b *jsonschema.Schema) int { return strings.Compare(a.Location, b.Location) })
	for _, s := range all {
		e.count(s)
	}
	if e.loop != nil {
		_, pointer := locate(e.loop)
		return Invalid(pointer, "leads back to itself without going into a member or an item")
	}
	for _, s := range all {
		if own, pointer := locate(s); own && e.counts[s] > MaxSchemaExpansion {
			return Invalid(pointer, "applies more than %d subschemas to one value through $ref, allOf, anyOf, oneOf, not, if and dependentSchemas", MaxSchemaExpansion)
		}
	}
	return nil
}

// expansion counts the subschemas that each subschema applies to one value,
// itself included.
type expansion struct {
	counts map[*jsonschema.Schema]int
	loop   *jsonschema.Schema // one that leads back to itself
}

const counting = -1

// count takes a $dynamicRef for its first target: which one it finds shows only
// in judging.
func (e *expansion) count(s *jsonschema.Schema) int {
	if n := e.counts[s]; n != 0 {
		return n
	}
	e.counts[s] = counting
	n := 1
	for sub, same := range subschemas(s) {
		if !same {
			continue
		}
		more := e.count(sub)
		if more == counting {
			if s.DynamicRef == nil || s.DynamicRef.Ref != sub {
				e.loop = sub
			}
			continue
		}
		n = min(n+more, MaxSchemaExpansion+1)
	}
	e.counts[s] = n
	return n
}
