package events

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// survey is what the text of a schema tells before it is compiled: what the
// compiler would take in silence, take too long for, or panic about is refused
// here, by name and pointer.
type survey struct {
	found      violations
	subschemas int
	flags      map[string]SchemaFlags // by pointer, where any is set
	resources  map[string]bool        // pointers of subschemas with an $id
	dynamic    []string               // pointers of subschemas with a $dynamicAnchor
	refs       []reference
	patterns   map[string]*pattern
	size       int // of all patterns
}

// reference is a $ref or $dynamicRef.
type reference struct{ pointer, target string }

// pattern is a regular expression and the number of its instructions.
type pattern struct {
	*regexp.Regexp
	size int
}

func surveySchema(document any) *survey {
	s := &survey{
		flags: map[string]SchemaFlags{}, resources: map[string]bool{}, patterns: map[string]*pattern{},
		found: violations{max: MaxViolations},
	}
	s.numbers(nil, document)
	s.schema(nil, document)
	if s.subschemas > MaxSubschemas {
		s.found.add(nil, "has %d subschemas, at most %d are allowed", s.subschemas, MaxSubschemas)
	}
	if len(s.resources) > MaxSchemaResources {
		s.found.add(nil, "has %d subschemas with $id, at most %d are allowed", len(s.resources), MaxSchemaResources)
	}
	return s
}

// numbers refuses numbers that would take long to write out.
func (s *survey) numbers(at *place, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			s.numbers(at.member(name), v[name])
		}
	case []any:
		for i, item := range v {
			s.numbers(at.item(i), item)
		}
	case json.Number:
		if d := parseDecimal(v); d.written() > MaxSchemaDigits {
			s.found.add(at, "is a number of more than %d digits when written out", MaxSchemaDigits)
		}
	}
}

// holding says where the value of a keyword holds subschemas.
type holding int

const (
	holdsNone  holding = iota
	holdsOne           // not: S
	holdsList          // allOf: [S]
	holdsNamed         // properties: {name: S}
)

// holdsOf knows the keywords of 2020-12 and those that its metaschema still
// tolerates.
func holdsOf(keyword string) holding {
	switch keyword {
	case "not", "if", "then", "else", "additionalProperties", "propertyNames", "unevaluatedProperties",
		"items", "contains", "unevaluatedItems", "contentSchema":
		return holdsOne
	case "allOf", "anyOf", "oneOf", "prefixItems":
		return holdsList
	case "properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions":
		return holdsNamed
	}
	return holdsNone
}

// schema walks the subschemas.
func (s *survey) schema(at *place, v any) {
	object, ok := v.(map[string]any)
	if _, isBool := v.(bool); !ok && !isBool {
		return // for the metaschema to refuse, or the names of a dependency
	}
	s.subschemas++
	for _, keyword := range slices.Sorted(maps.Keys(object)) {
		at, value := at.member(keyword), object[keyword]
		s.keyword(at, keyword, value)
		switch part := value.(type) {
		case bool:
			if holdsOf(keyword) == holdsOne {
				s.schema(at, part)
			}
		case map[string]any:
			switch holdsOf(keyword) {
			case holdsOne:
				s.schema(at, part)
			case holdsNamed:
				for _, name := range slices.Sorted(maps.Keys(part)) {
					s.schema(at.member(name), part[name])
				}
			}
		case []any:
			if holdsOf(keyword) == holdsList {
				for i, item := range part {
					s.schema(at.item(i), item)
				}
			}
		}
	}
}

// keyword judges one keyword of a subschema. What the metaschema refuses anyway
// is left to it.
func (s *survey) keyword(at *place, keyword string, value any) {
	text, _ := value.(string)
	owner := at.up.String()
	switch keyword {
	case "$schema":
		if strings.TrimSuffix(text, "#") != metaschema {
			s.found.add(at, "is %s, must be %q", show(value), metaschema)
		}
	case "$id":
		s.resources[owner] = true
	case "$dynamicAnchor":
		s.dynamic = append(s.dynamic, owner)
	case "$ref", "$dynamicRef":
		s.reference(at, text)
	case "$recursiveRef", "$recursiveAnchor":
		s.found.add(at, "is of draft 2019-09; write $dynamicRef and $dynamicAnchor")
	case "pattern":
		s.pattern(at, text)
	case "patternProperties":
		patterns, _ := value.(map[string]any)
		for _, expr := range slices.Sorted(maps.Keys(patterns)) {
			s.pattern(at.member(expr), expr)
		}
	case "minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties":
		const most = 1<<53 - 1
		if n, ok := value.(json.Number); ok && parseDecimal(n).compare(parseDecimal(json.Number(fmt.Sprint(most)))) > 0 {
			s.found.add(at, "is %s, must be at most %d", show(n), most)
		}
	default:
		if strings.HasPrefix(keyword, "x-confman-") {
			s.flag(at, owner, keyword, value)
		}
	}
}

func (s *survey) flag(at *place, owner, keyword string, value any) {
	on, isBool := value.(bool)
	flags := s.flags[owner]
	switch keyword {
	case "x-confman-immutable":
		flags.Immutable = on
	case "x-confman-deprecated":
		flags.Deprecated = on
	case "x-confman-secret-ref":
		flags.SecretRef = on
	default:
		s.found.add(at, "is unknown; there are x-confman-immutable, x-confman-deprecated and x-confman-secret-ref")
		return
	}
	if !isBool {
		s.found.add(at, "is %s, must be true or false", kindOf(value))
	}
	if flags != (SchemaFlags{}) {
		s.flags[owner] = flags
	}
}

// reference refuses JSON pointers to what is not a subschema: JSON Schema leaves
// undefined what such a reference means (core § 9.4.2).
func (s *survey) reference(at *place, target string) {
	s.refs = append(s.refs, reference{at.String(), target})
	_, fragment, _ := strings.Cut(target, "#")
	fragment, err := url.PathUnescape(fragment)
	if err != nil {
		s.found.add(at, "is %s, which is not a URI reference", show(target))
		return
	}
	if !pointsAtSubschema(fragment) {
		s.found.add(at, "is %s, which does not point at a subschema", show(target))
	}
}

func pointsAtSubschema(fragment string) bool {
	if !strings.HasPrefix(fragment, "/") {
		return true // an anchor, or the whole
	}
	tokens := strings.Split(fragment[1:], "/")
	for len(tokens) > 0 {
		switch holdsOf(tokens[0]) {
		case holdsOne:
			tokens = tokens[1:]
		case holdsList, holdsNamed:
			if len(tokens) == 1 {
				return false
			}
			tokens = tokens[2:]
		default:
			return false
		}
	}
	return true
}

// pattern compiles a regular expression, unless that would take too much memory.
func (s *survey) pattern(at *place, expr string) {
	if s.patterns[expr] != nil {
		return
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		s.found.add(at, "is not a regular expression (RE2): %v", err)
		return
	}
	size := sizeOf(tree)
	if s.size += size; s.size > MaxSchemaPatternSize {
		s.found.add(at, "makes the patterns larger than %d instructions", MaxSchemaPatternSize)
		return
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		s.found.add(at, "is not a regular expression (RE2): %v", err)
		return
	}
	s.patterns[expr] = &pattern{re, size}
}

// sizeOf estimates how many instructions an expression compiles to: repetitions
// are written out.
func sizeOf(tree *syntax.Regexp) int {
	size := 0
	for _, sub := range tree.Sub {
		size += sizeOf(sub)
	}
	if tree.Op == syntax.OpRepeat {
		size *= max(tree.Min, tree.Max, 1)
	}
	return size + 1 + len(tree.Rune)/2
}
