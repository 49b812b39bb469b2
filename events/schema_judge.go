package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp/syntax"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// judge judges one value. The library could, too, but it panics on 1e1000000000,
// tells numbers as floats in random order, and cannot be stopped: time, here, is
// counted in steps.
type judge struct {
	*ruleset
	found violations
	steps int
	depth int
	scope []*resource // the dynamic scope, outermost first
}

// maxApplied bounds how many applications of subschemas are under way at once,
// and so the stack.
const maxApplied = 20_000

func newJudge(r *ruleset) *judge {
	return &judge{ruleset: r, steps: MaxSchemaSteps, found: violations{max: MaxViolations}}
}

func (j *judge) judge(v any) []Field {
	j.apply(j.root, v, nil, nil, &j.found)
	if j.steps < 0 {
		return []Field{{"", fmt.Sprintf("takes more than %d steps to judge; simplify the schema or judge less at once", MaxSchemaSteps)}}
	}
	return j.found.list()
}

// spend reports whether there are steps left.
func (j *judge) spend(n int) bool {
	if j.steps >= 0 {
		j.steps -= n
	}
	return j.steps >= 0
}

// matches charges for what RE2 costs at worst.
func (j *judge) matches(p *pattern, text string) bool {
	return j.spend(1+len(text)*p.size/32) && p.MatchString(text)
}

// application is one subschema at one value.
type application struct {
	*jsonschema.Schema
	*rule
	at   *place
	seen *evaluated  // what was evaluated of the value; nil where nobody asks
	say  *violations // nil where only the verdict counts
	bad  bool
}

func (a *application) fail(format string, args ...any) { a.failAt(a.at, format, args...) }

func (a *application) failAt(at *place, format string, args ...any) {
	a.bad = true
	if a.say != nil {
		a.say.add(at, format, args...)
	}
}

// check notes the verdict of a subschema and reports whether to go on.
func (a *application) check(ok bool) bool {
	a.bad = a.bad || !ok
	return !a.settled()
}

// settled reports whether nothing that follows can matter.
func (a *application) settled() bool { return a.bad && a.say == nil }

// apply judges a value by a subschema.
func (j *judge) apply(s *jsonschema.Schema, v any, at *place, seen *evaluated, say *violations) bool {
	if !j.spend(1) {
		return false
	}
	if j.depth++; j.depth > maxApplied {
		j.steps = -1
		return false
	}
	defer func() { j.depth-- }()
	a := &application{Schema: s, rule: j.rules[s], at: at, say: say}
	if s.Bool != nil {
		if !*s.Bool {
			a.fail("is not allowed here")
		}
		return *s.Bool
	}
	if n := len(j.scope); n == 0 || j.scope[n-1] != a.resource {
		j.scope = append(j.scope, a.resource)
		defer func() { j.scope = j.scope[:n] }()
	}
	if seen != nil || s.UnevaluatedProperties != nil || s.UnevaluatedItems != nil {
		a.seen = &evaluated{}
	}
	if j.general(a, v); !a.bad {
		j.byKind(a, v)
		if !a.settled() {
			j.inPlace(a, v)
		}
		if !a.bad { // else what was evaluated is not known
			j.unevaluated(a, v)
		}
	}
	if !a.bad && seen != nil && j.spend(a.seen.size()) {
		seen.merge(a.seen)
	}
	return !a.bad
}

// general judges by what holds for values of every kind. What fails here is not
// judged further: the rest would be noise.
func (j *judge) general(a *application, v any) {
	if len(a.types) > 0 && !hasType(a.types, v) {
		a.fail("is %s, must be %s", kindOf(v), typeNames(a.types))
		return
	}
	if a.allowed != nil || a.constant != nil {
		work := 0
		identity := appendIdentity(nil, v, &work)
		j.spend(work / 64)
		if a.allowed != nil && !a.allowed[string(identity)] {
			a.fail("is %s, must be %s", show(v), showAny(a.Enum.Values))
			return
		}
		if a.constant != nil && !bytes.Equal(identity, a.constant) {
			a.fail("is %s, must be %s", show(v), showAny([]any{*a.Const}))
			return
		}
	}
	if text, ok := v.(string); ok && a.Format != nil && j.spend(len(text)/16) && !hasFormat(a.Format, text) {
		a.fail("is %s, must be %s", show(v), formatName(a.Format.Name))
	}
}

func (j *judge) byKind(a *application, v any) {
	switch v := v.(type) {
	case map[string]any:
		j.object(a, v)
	case []any:
		j.array(a, v)
	case string:
		j.text(a, v)
	case json.Number:
		j.number(a, v)
	}
}

// inPlace applies the subschemas that judge the very same value.
func (j *judge) inPlace(a *application, v any) {
	if a.Ref != nil && !a.check(j.apply(a.Ref, v, a.at, a.seen, a.say)) {
		return
	}
	if a.DynamicRef != nil && !a.check(j.apply(j.target(a.DynamicRef), v, a.at, a.seen, a.say)) {
		return
	}
	for _, sub := range a.AllOf {
		if !a.check(j.apply(sub, v, a.at, a.seen, a.say)) {
			return
		}
	}
	if a.Not != nil && j.apply(a.Not, v, a.at, nil, nil) {
		a.fail("is %s, which \"not\" excludes", show(v))
	}
	if a.If != nil {
		branch := a.Else
		if j.apply(a.If, v, a.at, a.seen, nil) {
			branch = a.Then
		}
		if branch != nil {
			a.check(j.apply(branch, v, a.at, a.seen, a.say))
		}
	}
	if len(a.AnyOf) > 0 && !a.settled() {
		j.anyOf(a, v)
	}
	if len(a.OneOf) > 0 && !a.settled() {
		j.oneOf(a, v)
	}
}

// target resolves a $dynamicRef: to the outermost resource of the dynamic scope
// that has the anchor (core § 8.2.3.2).
func (j *judge) target(ref *jsonschema.DynamicRef) *jsonschema.Schema {
	if ref.Anchor != "" && ref.Ref.DynamicAnchor == ref.Anchor {
		for _, resource := range j.scope {
			if s := resource.anchors[ref.Anchor]; s != nil {
				return s
			}
		}
	}
	return ref.Ref
}

func (j *judge) anyOf(a *application, v any) {
	matched := false
	for _, sub := range a.AnyOf {
		if j.apply(sub, v, a.at, a.seen, nil) {
			if matched = true; a.seen == nil {
				return
			}
		}
	}
	if !matched {
		a.fail("%s", j.alternatives(a, a.AnyOf, v))
	}
}

func (j *judge) oneOf(a *application, v any) {
	var matched []int
	for i, sub := range a.OneOf {
		if j.apply(sub, v, a.at, a.seen, nil) {
			if matched = append(matched, i+1); len(matched) == 2 {
				a.fail("matches alternatives %d and %d of oneOf, must match exactly one", matched[0], matched[1])
				return
			}
		}
	}
	if len(matched) == 0 {
		a.fail("%s", j.alternatives(a, a.OneOf, v))
	}
}

// alternatives says why a value matches none of several subschemas: what each
// has against it first.
func (j *judge) alternatives(a *application, subs []*jsonschema.Schema, v any) string {
	if a.say == nil {
		return ""
	}
	const most = 4
	text := fmt.Appendf(nil, "matches none of %d alternatives:", len(subs))
	for i, sub := range subs {
		if i == most {
			text = append(text, " …"...)
			break
		}
		first := violations{max: 1}
		j.apply(sub, v, nil, nil, &first)
		if len(first.fields) > 0 {
			text = fmt.Appendf(text, " (%d) %s", i+1, shorten(join(first.fields[0]), 200))
		}
	}
	return string(text)
}

func join(f Field) string {
	if f.Pointer == "" {
		return f.Detail
	}
	return f.Pointer + " " + f.Detail
}

func hasType(want []string, v any) bool {
	switch v := v.(type) {
	case nil:
		return slices.Contains(want, "null")
	case bool:
		return slices.Contains(want, "boolean")
	case string:
		return slices.Contains(want, "string")
	case []any:
		return slices.Contains(want, "array")
	case map[string]any:
		return slices.Contains(want, "object")
	case json.Number:
		return slices.Contains(want, "number") || slices.Contains(want, "integer") && parseDecimal(v).integer()
	}
	return false
}

func hasFormat(f *jsonschema.Format, text string) bool {
	if f.Name == "regex" { // the library would ask our engine, which keeps what it compiled
		_, err := syntax.Parse(text, syntax.Perl)
		return err == nil
	}
	return f.Validate(text) == nil
}
