package events

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// SchemaFlags is what a schema says about a key beside the form of its value.
type SchemaFlags struct {
	Immutable  bool // x-confman-immutable: once set, it is not changed or deleted
	Deprecated bool // x-confman-deprecated or deprecated: new writes are refused
	SecretRef  bool // x-confman-secret-ref: only values of type secret-ref; [Schema.Judge] sees to it
}

func (f *SchemaFlags) add(g SchemaFlags) {
	f.Immutable = f.Immutable || g.Immutable
	f.Deprecated = f.Deprecated || g.Deprecated
	f.SecretRef = f.SecretRef || g.SecretRef
}

// Flags collects what is said about a key by the subschemas that apply to it
// whatever the values are: in properties, patternProperties and
// additionalProperties, through $ref and allOf. None where the document can no
// longer be compiled; [Schema.Judge] then refuses everything.
func (s *Schema) Flags(key string) SchemaFlags {
	rules, err := s.compiled()
	if err != nil || !rules.flagged {
		return SchemaFlags{}
	}
	return newJudge(rules).flags(key)
}

func (j *judge) flags(key string) SchemaFlags {
	var flags SchemaFlags
	seen := map[*jsonschema.Schema]bool{}
	for _, s := range j.always(j.root, nil) {
		for _, member := range j.ofMember(s, key) {
			for _, s := range j.always(member, seen) {
				flags.add(j.rules[s].flags)
			}
		}
	}
	return flags
}

// always lists a subschema and those that apply wherever it does, but for the
// ones seen already.
func (j *judge) always(s *jsonschema.Schema, seen map[*jsonschema.Schema]bool) []*jsonschema.Schema {
	if seen == nil {
		seen = map[*jsonschema.Schema]bool{}
	}
	if s == nil || seen[s] || !j.spend(1) {
		return nil
	}
	seen[s] = true
	list := append([]*jsonschema.Schema{s}, j.always(s.Ref, seen)...)
	for _, sub := range s.AllOf {
		list = append(list, j.always(sub, seen)...)
	}
	return list
}

// ofMember lists the subschemas of s for the member of that name.
func (j *judge) ofMember(s *jsonschema.Schema, name string) []*jsonschema.Schema {
	var list []*jsonschema.Schema
	if sub := s.Properties[name]; sub != nil {
		list = append(list, sub)
	}
	for _, p := range j.rules[s].patterns {
		if j.matches(p.pattern, name) {
			list = append(list, p.then)
		}
	}
	if extra, ok := s.AdditionalProperties.(*jsonschema.Schema); ok && len(list) == 0 {
		list = append(list, extra)
	}
	return list
}

// Separable reports whether the schema judges each key by itself: then an object
// of only the changed keys is enough to judge a change. Whatever looks at
// several keys or at absent ones (required, minProperties, anyOf, if …) makes it
// false.
func (s *Schema) Separable() bool {
	rules, err := s.compiled()
	return err == nil && separable(rules.root)
}

func separable(s *jsonschema.Schema) bool {
	switch {
	case s.Bool != nil:
		return *s.Bool
	case s.Types != nil && !slices.Contains(s.Types.ToStrings(), "object"),
		s.Enum != nil, s.Const != nil,
		s.MinProperties != nil, s.MaxProperties != nil, len(s.Required) > 0,
		len(s.DependentRequired) > 0, len(s.DependentSchemas) > 0, len(s.Dependencies) > 0,
		len(s.AnyOf) > 0, len(s.OneOf) > 0, s.Not != nil, s.If != nil,
		s.DynamicRef != nil, s.UnevaluatedProperties != nil:
		return false
	}
	for _, sub := range s.AllOf {
		if !separable(sub) {
			return false
		}
	}
	return s.Ref == nil || separable(s.Ref)
}
